// SPDX-License-Identifier: Apache-2.0

// Runs one workload of the benchmark on Node: an actor is a worker thread, a mailbox its message
// port. What needs thousands of actors is not here, since a worker is a whole engine of some 9 MB;
// the counts are smaller than the other peers', and where there are fewer actors it is said.
import { copies } from './copies.mjs';
import { crowds } from './crowds.mjs';
import { floods } from './floods.mjs';
import { meetings } from './meetings.mjs';

const workloads = { ...meetings, ...floods, ...copies, ...crowds };
const [name] = process.argv.slice(2);

if (name === 'list') {
    console.log(Object.keys(workloads).join('\n'));
} else {
    try {
        if (!Object.hasOwn(workloads, name)) {
            throw new Error('there is no such workload');
        }
        for (const [figure, value] of Object.entries(await workloads[name](name))) {
            console.log(`${figure} ${value.toFixed(3)}`);
        }
    } catch (error) {
        console.error(`bench-node: ${name}: ${error.stack}`);
        process.exitCode = 1;
    }
    process.exit();
}
