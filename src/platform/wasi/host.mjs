// SPDX-License-Identifier: Apache-2.0
// Runs a program built for wasm32-wasi under Node (18 or later):
//
//     node --no-warnings host.mjs program.wasm argument...
//
// Standard input, output and error, the environment and the whole file system are the program's;
// the exit status is the program's own, 134 after a trap. The module "isle_host" is the other half
// of catch.c: a jump is an exception that carries the address of its catch's buffer.
import { readFile, readdir } from 'node:fs/promises';
import process from 'node:process';
import { WASI } from 'node:wasi';

const TRAPPED = 134; // what a shell shows for a program that aborts

class Jump {
    constructor(buffer) {
        this.buffer = buffer;
    }
}

// `exports` is a function because the instance is made after its imports.
function makeHost(exports) {
    return {
        catch(fn, argument) {
            const { __stack_pointer: stackPointer, __indirect_function_table: table } = exports();
            const before = stackPointer.value;
            try {
                table.get(fn)(argument);
                return 0;
            } catch (thrown) {
                // The end of the process, a trap or a jump to an outer catch goes on.
                if (!(thrown instanceof Jump) || thrown.buffer !== argument)
                    throw thrown;
                stackPointer.value = before;
                return 1;
            }
        },
        jump(buffer) {
            throw new Jump(buffer);
        },
    };
}

// wasi-libc cannot tell the root from the working directory, so the root is given by its parts.
async function wholeFileSystem() {
    const directories = { '.': '.' };
    for (const entry of await readdir('/', { withFileTypes: true }))
        if (entry.isDirectory())
            directories[`/${entry.name}`] = `/${entry.name}`;
    return directories;
}

async function run(path, args) {
    const wasi = new WASI({
        version: 'preview1',
        args: [path, ...args],
        env: process.env,
        preopens: await wholeFileSystem(),
        returnOnExit: true,
    });
    let instance = null;
    const module = await WebAssembly.compile(await readFile(path));
    instance = await WebAssembly.instantiate(module, {
        wasi_snapshot_preview1: wasi.wasiImport,
        isle_host: makeHost(() => instance.exports),
    });
    return wasi.start(instance);
}

const [path, ...args] = process.argv.slice(2);
if (path === undefined) {
    console.error('usage: node --no-warnings host.mjs program.wasm argument...');
    process.exit(2);
}
try {
    process.exit(await run(path, args));
} catch (thrown) {
    if (thrown instanceof Jump)
        console.error(`${path}: a jump without its catch`);
    else
        console.error(`${path}: ${thrown.stack ?? thrown}`);
    process.exit(TRAPPED);
}
