// SPDX-License-Identifier: Apache-2.0

// Bytes there and back, cloned or transferred; trees of plain objects, which postMessage clones
// with what they share and with their cycles.
import { cost, dismiss, expect, now, message, team } from './team.mjs';

function pattern(size) {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) {
        bytes[i] = i * 31;
    }
    return bytes;
}

// n echoes; send(bytes) posts them, and the last echo is compared whole.
function echoes(worker, n, bytes, send) {
    const original = bytes.slice();
    return new Promise((resolve, reject) => {
        let left = n;
        const begin = now();
        worker.on('message', function hear(got) {
            if (--left > 0 && got.length === original.length) {
                send(got);
                return;
            }
            const took = now() - begin;
            worker.off('message', hear);
            if (left === 0 && Buffer.compare(got, original) === 0) {
                resolve(took);
            } else {
                reject(new Error('an echo came back changed'));
            }
        });
        send(bytes);
    });
}

function echo(role, size, count) {
    return async name => {
        const [worker] = await team(1, role);
        const send = role === 'moveBack'
            ? bytes => worker.postMessage(bytes, [bytes.buffer])
            : bytes => worker.postMessage(bytes);
        const run = n => echoes(worker, n, pattern(size), send);
        const result = await cost(count, 1, run)(name);
        await dismiss([worker]);
        return result;
    };
}

const FAN_OUT = 10;
const NODES = 11111;

// A root over 10 nodes over 100 over 1,000 over 10,000 leaves; numbers.next counts them.
function tree(depth, numbers) {
    const value = numbers.next++;
    const children = [];
    for (let i = 0; depth > 0 && i < FAN_OUT; i++) {
        children.push(tree(depth - 1, numbers));
    }
    return { value, name: `node-${value}`, children };
}

function plainTree() {
    return tree(4, { next: 0 });
}

// A root that reaches one subtree of 1,111 nodes ten times.
function sharedTree() {
    const part = tree(3, { next: 1 });
    return { value: 0, name: 'node-0', children: new Array(FAN_OUT).fill(part) };
}

function withParents(node, parent = null) {
    node.parent = parent;
    node.children.forEach(child => withParents(child, node));
    return node;
}

// The sum of the values of all nodes, those reached often counted as often.
function sumOf(node) {
    return node.children.reduce((sum, child) => sum + sumOf(child), node.value);
}

// n trees to a worker that acknowledges each; the last one is checked.
function trees(make, count) {
    return async name => {
        const [worker] = await team(1, 'treeKeeper');
        const root = make();
        const result = await cost(count, 1, async n => {
            const begin = now();
            for (let i = 0; i < n; i++) {
                worker.postMessage(root);
                expect('acknowledgement', await message(worker), 0);
            }
            return now() - begin;
        })(name);
        worker.postMessage('measure');
        const [nodes, sum] = await message(worker);
        expect('nodes', nodes, NODES);
        expect('sum', sum, sumOf(root));
        await dismiss([worker]);
        return result;
    };
}

export const copies = {
    'echo-copy-1k': echo('mirror', 2 ** 10, 20000),
    'echo-copy-64k': echo('mirror', 2 ** 16, 5000),
    'echo-copy-1m': echo('mirror', 2 ** 20, 1000),
    'echo-copy-16m': echo('mirror', 2 ** 24, 50),
    'echo-move-1k': echo('moveBack', 2 ** 10, 20000),
    'echo-move-64k': echo('moveBack', 2 ** 16, 20000),
    'echo-move-1m': echo('moveBack', 2 ** 20, 20000),
    'echo-move-16m': echo('moveBack', 2 ** 24, 20000),
    'tree-maps': trees(plainTree, 100),
    'tree-shared': trees(sharedTree, 500),
    'tree-cycle': trees(() => withParents(plainTree()), 100),
};
