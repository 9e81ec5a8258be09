// SPDX-License-Identifier: Apache-2.0

// What a worker does, by its role. It is a CommonJS module, which loads faster than the other kind.
'use strict';

const { once } = require('node:events');
const { parentPort, workerData } = require('node:worker_threads');

// The colour that two creatures take on: theirs if it is one, else the third.
function mixed(one, other) {
    return one === other ? one : 3 - one - other;
}

// Counts a tree's nodes and sums their values; what is reached twice counts twice.
function measure(node) {
    let nodes = 1;
    let sum = node.value;
    for (const child of node.children) {
        const [n, s] = measure(child);
        nodes += n;
        sum += s;
    }
    return [nodes, sum];
}

// n round trips over a port, the number growing by one each way.
function talk(port, n) {
    return new Promise(resolve => {
        const begin = process.hrtime.bigint();
        port.on('message', number => {
            if (number < n) {
                port.postMessage(number);
            } else {
                resolve(Number(process.hrtime.bigint() - begin));
            }
        });
        port.postMessage(0);
    });
}

function ready() {
    parentPort.postMessage('ready');
}

// Sends n numbers to the parent as fast as it can, whenever it is told n.
function produce() {
    parentPort.on('message', n => {
        for (let i = 0; i < n; i++) {
            parentPort.postMessage(i);
        }
    });
    ready();
}

// Sums n numbers after it was told n.
function consume() {
    let left = 0;
    let sum = 0;
    parentPort.on('message', number => {
        if (left === 0) {
            left = number;
            sum = 0;
        } else {
            sum += number;
            if (--left === 0) {
                parentPort.postMessage(sum);
            }
        }
    });
    ready();
}

// Passes a token that counts down to the next member, who is told first.
function ringMember() {
    parentPort.once('message', ({ previous, next }) => {
        previous.on('message', left => {
            if (left === 0) {
                parentPort.postMessage(workerData.index);
            } else {
                next.postMessage(left - 1);
            }
        });
        parentPort.on('message', hops => next.postMessage(hops - 1));
        ready();
    });
    ready();
}

// Sends n pings to random others, one after the other, and answers those of others.
function bigMember() {
    parentPort.once('message', ports => {
        let random = workerData.index + 1;
        let left = 0;
        let pongs = 0;
        const ping = () => {
            random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
            ports[Math.floor(random / 2 ** 32 * ports.length)].postMessage('ping');
        };
        for (const port of ports) {
            port.on('message', content => {
                if (content === 'ping') {
                    port.postMessage('pong');
                    return;
                }
                pongs++;
                if (--left > 0) {
                    ping();
                } else {
                    parentPort.postMessage(pongs);
                    pongs = 0;
                }
            });
        }
        parentPort.on('message', n => {
            left = n;
            ping();
        });
        ready();
    });
    ready();
}

// Goes to the mall until it closes; is told the colour of whom it met.
function creature() {
    let colour = workerData.index % 3;
    let met = 0;
    parentPort.on('message', theirs => {
        if (theirs === 'closed') {
            parentPort.postMessage(met);
            met = 0;
            return;
        }
        if (theirs !== 'open') {
            colour = mixed(colour, theirs);
            met++;
        }
        parentPort.postMessage(colour);
    });
    ready();
}

// Keeps each tree until it is asked to measure the last.
function treeKeeper() {
    let last = null;
    parentPort.on('message', content => {
        if (content === 'measure') {
            parentPort.postMessage(measure(last));
        } else {
            last = content;
            parentPort.postMessage(content.value);
        }
    });
    ready();
}

// Has state of its own and answers each ping with 1 KiB.
function idle() {
    const state = { pings: 0 };
    parentPort.on('message', () => {
        state.pings++;
        parentPort.postMessage(new Uint8Array(1024));
    });
    ready();
}

const roles = {
    answerOnce: () => parentPort.postMessage(1),
    doubleOnce: () => parentPort.once('message', number => parentPort.postMessage(number * 2)),
    echo: () => {
        parentPort.on('message', number => parentPort.postMessage(number + 1));
        ready();
    },
    mirror: () => {
        parentPort.on('message', bytes => parentPort.postMessage(bytes));
        ready();
    },
    moveBack: () => {
        parentPort.on('message', bytes => parentPort.postMessage(bytes, [bytes.buffer]));
        ready();
    },
    talker: () => {
        parentPort.on('message', async ({ port, n }) => {
            parentPort.postMessage(await talk(port, n));
        });
        ready();
    },
    answerer: () => {
        parentPort.on('message', ({ port }) => {
            port.on('message', number => port.postMessage(number + 1));
        });
        ready();
    },
    server: () => {
        parentPort.on('message', ({ id, number }) => {
            parentPort.postMessage({ id, number: number + 1 });
        });
        ready();
    },
    suspended: async () => {
        ready();
        await once(parentPort, 'message');
    },
    bare: () => {
        parentPort.ref();
        ready();
    },
    produce,
    consume,
    ringMember,
    bigMember,
    creature,
    treeKeeper,
    idle,
};

roles[workerData.role]();
