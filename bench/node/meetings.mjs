// SPDX-License-Identifier: Apache-2.0

// Two who talk, one who is created and answers: spawn, round trips, a ring, a call with a timeout.
import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { cost, dismiss, expect, message, now, scaled, start, team } from './team.mjs';

// One answers before the next is created; the end of a thread may fall into the next one's start,
// all have ended when the time is taken.
async function spawnOneByOne(n) {
    const ends = [];
    let sum = 0;
    const begin = now();
    for (let i = 0; i < n; i++) {
        const worker = start('answerOnce');
        ends.push(once(worker, 'exit'));
        sum += await message(worker);
    }
    await Promise.all(ends);
    const took = now() - begin;
    expect('replies', sum, n);
    return took;
}

async function spawnTogether(n) {
    const begin = now();
    const answers = Array.from({ length: n }, async () => {
        const worker = start('answerOnce');
        const end = once(worker, 'exit');
        const answer = await message(worker);
        await end;
        return answer;
    });
    const sum = (await Promise.all(answers)).reduce((all, one) => all + one, 0);
    const took = now() - begin;
    expect('replies', sum, n);
    return took;
}

async function spawnBursts() {
    const n = scaled(50, 5);
    const cold = await spawnTogether(n);
    const warm = await spawnTogether(n);
    return { 'spawn-burst': cold / n, 'spawn-again': warm / n };
}

// n round trips with a worker that adds one.
function talk(worker, n) {
    return new Promise(resolve => {
        const begin = now();
        worker.on('message', function hear(number) {
            if (number < n) {
                worker.postMessage(number);
            } else {
                worker.off('message', hear);
                resolve(now() - begin);
            }
        });
        worker.postMessage(0);
    });
}

async function roundTrips(name) {
    const [worker] = await team(1, 'echo');
    const result = await cost(20000, 1, n => talk(worker, n))(name);
    await dismiss([worker]);
    return result;
}

// A ring of 503 would take 4.5 GB and 10 s to set up.
const RING = 60;

async function makeRing() {
    const members = await team(RING, 'ringMember', index => ({ index }));
    const channels = members.map(() => new MessageChannel());
    const linked = members.map(message);
    members.forEach((member, index) => {
        const previous = channels[index].port2;
        const next = channels[(index + 1) % RING].port1;
        member.postMessage({ previous, next }, [previous, next]);
    });
    await Promise.all(linked);
    return members;
}

// The first member starts a token, which ends `hops` members later.
async function ringHops(members, hops) {
    const begin = now();
    members[0].postMessage(hops);
    const last = members[hops % RING];
    expect('last member', await message(last), hops % RING);
    return now() - begin;
}

async function ring(name) {
    const members = await makeRing();
    const result = await cost(20000, 1, hops => ringHops(members, hops))(name);
    await dismiss(members);
    return result;
}

// A call is a request with an id and a timer that its answer cancels.
class Caller {
    #pending = new Map();
    #worker;
    #id = 0;

    constructor(worker) {
        this.#worker = worker;
        worker.on('message', ({ id, number }) => this.#pending.get(id)?.(number));
    }

    call(number, milliseconds) {
        return new Promise((resolve, reject) => {
            const id = this.#id++;
            const timer = setTimeout(() => {
                this.#pending.delete(id);
                reject(new Error(`call ${id} had no answer`));
            }, milliseconds);
            this.#pending.set(id, answer => {
                clearTimeout(timer);
                this.#pending.delete(id);
                resolve(answer);
            });
            this.#worker.postMessage({ id, number });
        });
    }
}

async function callsWithTimeout(name) {
    const [worker] = await team(1, 'server');
    const caller = new Caller(worker);
    const result = await cost(20000, 1, async n => {
        let number = 0;
        const begin = now();
        while (number < n) {
            number = await caller.call(number, 1000);
        }
        const took = now() - begin;
        expect('last number', number, n);
        return took;
    })(name);
    await dismiss([worker]);
    return result;
}

// The time of the slower of two pairs, each between two workers with a channel of their own.
async function pairs(name) {
    const talkers = await team(2, 'talker');
    const answerers = await team(2, 'answerer');
    const result = await cost(20000, 1, async n => {
        const took = talkers.map(message);
        talkers.forEach((talker, index) => {
            const { port1, port2 } = new MessageChannel();
            answerers[index].postMessage({ port: port2 }, [port2]);
            talker.postMessage({ port: port1, n }, [port1]);
        });
        return Math.max(...await Promise.all(took));
    })(name);
    await dismiss([...talkers, ...answerers]);
    return result;
}

export const meetings = {
    'spawn': cost(50, 1, spawnOneByOne),
    'spawn-burst': spawnBursts,
    'round-trip': roundTrips,
    'ring': ring,
    'call-timeout': callsWithTimeout,
    'pairs': pairs,
};
