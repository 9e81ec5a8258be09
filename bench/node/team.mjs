// SPDX-License-Identifier: Apache-2.0

// What the workloads share: creating workers that are ready, awaiting messages, times and counts.
import { once } from 'node:events';
import { SHARE_ENV, Worker } from 'node:worker_threads';

const program = new URL('./worker.cjs', import.meta.url);
const scale = Number(process.env.BENCH_SCALE) || 1;

// The count that BENCH_SCALE leaves of a full one, at least `least`.
export function scaled(count, least) {
    return Math.max(Math.trunc(count * scale), least);
}

export function expect(what, got, wanted) {
    if (got !== wanted) {
        throw new Error(`${what}: ${got} instead of ${wanted}`);
    }
}

// A worker that plays a role of worker.cjs.
export function start(role, data = {}, transferList = []) {
    return new Worker(program, { workerData: { role, ...data }, transferList, env: SHARE_ENV });
}

export async function message(worker) {
    const [content] = await once(worker, 'message');
    return content;
}

// Workers with one role that have all said that they listen.
export async function team(count, role, dataOf = () => ({})) {
    const workers = Array.from({ length: count }, (_, index) => start(role, dataOf(index)));
    await Promise.all(workers.map(async worker => expect('first', await message(worker), 'ready')));
    return workers;
}

export async function dismiss(workers) {
    await Promise.all(workers.map(worker => worker.terminate()));
}

// Sends each of them the same and sums the numbers that they answer with.
export async function sumOfAnswers(workers, question) {
    const answers = workers.map(message);
    for (const worker of workers) {
        worker.postMessage(question);
    }
    return (await Promise.all(answers)).reduce((sum, number) => sum + number, 0);
}

export function now() {
    return Number(process.hrtime.bigint());
}

// A workload in nanoseconds per operation, and one in operations per second. run(n) answers
// nanoseconds; BENCH_SCALE scales the count, one of which stands for `operations`; a tenth is run
// first as the warm-up.
export function cost(count, operations, run) {
    return async name => {
        const n = scaled(count, 10);
        await run(Math.ceil(n / 10));
        return { [name]: await run(n) / (n * operations) };
    };
}

export function rate(count, operations, run) {
    return async name => {
        const n = scaled(count, 10);
        await run(Math.ceil(n / 10));
        return { [name]: n * operations * 1e9 / await run(n) };
    };
}
