/* SPDX-License-Identifier: Apache-2.0 */
/* An object for the loader's tests: a global that each instance must have for itself. With
 * PLATFORM_PLUGIN_BROKEN it needs a symbol that nobody has. */
int platform_plugin_count(void);

#ifdef PLATFORM_PLUGIN_BROKEN
int platform_plugin_missing(void);

int platform_plugin_count(void)
{
    return platform_plugin_missing();
}
#else
static int plugin_calls;

int platform_plugin_count(void)
{
    return ++plugin_calls;
}
#endif
