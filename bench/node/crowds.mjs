// SPDX-License-Identifier: Apache-2.0

// The memory of workers that are alive at once: dozens where others have 100,000.
import { dismiss, expect, message, scaled, team } from './team.mjs';

// What one of n more workers costs after some are there already.
async function perWorker(role, settle) {
    const n = scaled(40, 5);
    const first = await team(4, role);
    await settle(first);
    const before = process.memoryUsage.rss();
    const workers = await team(n, role);
    await settle(workers);
    const bytes = (process.memoryUsage.rss() - before) / n;
    await dismiss([...first, ...workers]);
    return bytes;
}

async function ping(workers) {
    for (const worker of workers) {
        worker.postMessage('ping');
        expect('bytes', (await message(worker)).length, 1024);
    }
}

async function nothing() {}

export const crowds = {
    'memory-idle': async name => ({ [name]: await perWorker('idle', ping) }),
    'memory-bare': async name => ({ [name]: await perWorker('bare', nothing) }),
    'memory-suspended': async name => ({ [name]: await perWorker('suspended', nothing) }),
};
