// SPDX-License-Identifier: Apache-2.0

// Many messages in one direction, and many who meet: throughput, fork-join, big, chameneos.
import { MessageChannel } from 'node:worker_threads';
import { cost, dismiss, expect, message, now, rate, start, sumOfAnswers, team } from './team.mjs';

function sumTo(n) {
    return n * (n - 1) / 2;
}

// Each producer sends n numbers to the main thread.
function floodMain(producers, n) {
    return new Promise((resolve, reject) => {
        let left = producers.length * n;
        let sum = 0;
        const begin = now();
        const hear = number => {
            sum += number;
            if (--left === 0) {
                const took = now() - begin;
                producers.forEach(producer => producer.off('message', hear));
                if (sum === producers.length * sumTo(n)) {
                    resolve(took);
                } else {
                    reject(new Error(`sum: ${sum}`));
                }
            }
        };
        for (const producer of producers) {
            producer.on('message', hear);
            producer.postMessage(n);
        }
    });
}

function sendToOne(count, each) {
    return async name => {
        const producers = await team(count, 'produce');
        const result = await rate(each, count, n => floodMain(producers, n))(name);
        await dismiss(producers);
        return result;
    };
}

const JOINERS = 60;

async function forkJoin(name) {
    const joiners = await team(JOINERS, 'consume');
    const result = await rate(1000, JOINERS, async n => {
        const sums = joiners.map(message);
        const begin = now();
        joiners.forEach(joiner => joiner.postMessage(n));
        for (let i = 0; i < n; i++) {
            for (const joiner of joiners) {
                joiner.postMessage(i);
            }
        }
        for (const sum of await Promise.all(sums)) {
            expect('sum', sum, sumTo(n));
        }
        return now() - begin;
    })(name);
    await dismiss(joiners);
    return result;
}

// n are created, each of which ends with its first message.
async function forkJoinCreate(n) {
    const begin = now();
    const answers = Array.from({ length: n }, (_, i) => {
        const worker = start('doubleOnce');
        worker.postMessage(i);
        return message(worker);
    });
    const sum = (await Promise.all(answers)).reduce((all, one) => all + one, 0);
    const took = now() - begin;
    expect('sum', sum, 2 * sumTo(n));
    return took;
}

const CROWD = 120;

// Every two members have a channel of their own.
async function makeCrowd() {
    const members = await team(CROWD, 'bigMember', index => ({ index }));
    const ports = members.map(() => []);
    for (let i = 0; i < CROWD; i++) {
        for (let k = 0; k < i; k++) {
            const { port1, port2 } = new MessageChannel();
            ports[i].push(port1);
            ports[k].push(port2);
        }
    }
    const listening = members.map(message);
    members.forEach((member, index) => member.postMessage(ports[index], ports[index]));
    await Promise.all(listening);
    return members;
}

async function big(name) {
    const members = await makeCrowd();
    const result = await cost(500, CROWD, async n => {
        const begin = now();
        expect('pongs', await sumOfAnswers(members, n), CROWD * n);
        return now() - begin;
    })(name);
    await dismiss(members);
    return result;
}

const CREATURES = 100;

// The mall is the main thread: of every two who come, each is told the other's colour.
function mall(creatures, meetings) {
    return new Promise((resolve, reject) => {
        let left = meetings;
        let waiting = null;
        let met = 0;
        let counted = 0;
        const closed = new Set();
        const begin = now();
        const meet = (creature, content) => {
            if (closed.has(creature)) {
                met += content;
                if (++counted < creatures.length) {
                    return;
                }
                const took = now() - begin;
                creatures.forEach(one => one.removeAllListeners('message'));
                if (met === 2 * meetings) {
                    resolve(took);
                } else {
                    reject(new Error(`meetings: ${met}`));
                }
            } else if (left === 0) {
                closed.add(creature);
                creature.postMessage('closed');
            } else if (waiting === null) {
                waiting = { creature, colour: content };
            } else {
                waiting.creature.postMessage(content);
                creature.postMessage(waiting.colour);
                waiting = null;
                left--;
            }
        };
        for (const creature of creatures) {
            creature.on('message', content => meet(creature, content));
            creature.postMessage('open');
        }
    });
}

async function chameneos(name) {
    const creatures = await team(CREATURES, 'creature', index => ({ index }));
    const result = await cost(20000, 1, n => mall(creatures, n))(name);
    await dismiss(creatures);
    return result;
}

export const floods = {
    'send-2-1': sendToOne(2, 500000),
    'send-8-1': sendToOne(8, 125000),
    'fork-join': forkJoin,
    'fork-join-create': cost(60, 1, forkJoinCreate),
    'big': big,
    'chameneos': chameneos,
};
