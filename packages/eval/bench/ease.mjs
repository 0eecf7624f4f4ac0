// Times fitting EASE in this thread, on random interactions; the time depends on the number of items alone.
//   node bench/ease.mjs [--items 6086] [--users 10553] [--json]   (after npm run build)
import os from "node:os";
import { parseArgs } from "node:util";
import { ease, easeMemory, itemLists } from "@cllm4rec/eval";

const { values: flags } = parseArgs({
  options: {
    items: { type: "string", default: "6086" },
    users: { type: "string", default: "10553" },
    json: { type: "boolean", default: false },
  },
});
const [items, users] = [Number(flags.items), Number(flags.users)];

let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
};
// Seven items a user, rare ones rarely.
const training = itemLists(
  Array.from({ length: users }, () => new Set(Array.from({ length: 7 }, () => Math.floor(random() ** 2 * items)))),
);

const [started, before] = [performance.now(), process.cpuUsage()];
await ease(training, { items });
const seconds = (performance.now() - started) / 1000;
const cpuSeconds = process.cpuUsage(before).user / 1e6;
const report = {
  items,
  users,
  seconds: Number(seconds.toFixed(1)),
  // What the wall clock would show on a core of one's own.
  cpuSeconds: Number(cpuSeconds.toFixed(1)),
  gflops: Number((items ** 3 / cpuSeconds / 1e9).toFixed(2)),
  memory: `${(easeMemory(items) / 1e6).toFixed(0)} MB`,
  machine: `${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}`,
  date: new Date().toISOString().slice(0, 10),
};
if (flags.json) console.log(JSON.stringify(report));
else {
  console.log(
    `EASE, ${items} items: ${report.seconds} s, ${report.cpuSeconds} s of one core (${report.gflops} GFLOP/s)`,
  );
  console.log(`${report.memory}; ${report.machine}; ${report.date}`);
}
