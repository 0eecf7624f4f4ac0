// Where onnxruntime put the nodes of a graph, as the profile of one run tells (its JavaScript API does not say).
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** What ran on the CPU although a GPU was asked for. */
export interface Placement {
  /** Executed nodes, copies between the two included. */
  readonly nodes: number;
  /** Nodes on the CPU, by operator. */
  readonly onCpu: Readonly<Record<string, number>>;
  /** Copies between CPU and GPU that these nodes made necessary. */
  readonly copies: number;
}

interface ProfileEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly args?: { readonly op_name?: string; readonly provider?: string };
}

/**
 * A folder for one profile. `prefix` is for onnxruntime; `take()` reads the profile, once it has ended, and removes the
 * folder.
 */
export function placementProfile(): { readonly prefix: string; take(): Placement | undefined } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "onnx-grad-placement-"));
  return {
    prefix: path.join(folder, "profile"),
    take() {
      try {
        const [file] = fs.readdirSync(folder);
        if (file === undefined) return undefined;
        return count(JSON.parse(fs.readFileSync(path.join(folder, file), "utf8")) as ProfileEvent[]);
      } finally {
        fs.rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function count(events: readonly ProfileEvent[]): Placement {
  const onCpu: Record<string, number> = {};
  let nodes = 0;
  let copies = 0;
  for (const { cat, name, args } of events) {
    if (cat !== "Node" || !name?.endsWith("_kernel_time") || !args?.op_name) continue;
    nodes++;
    if (args.op_name.startsWith("Memcpy")) copies++;
    else if (args.provider === "CPUExecutionProvider") onCpu[args.op_name] = (onCpu[args.op_name] ?? 0) + 1;
  }
  return { nodes, onCpu, copies };
}

/**
 * One line about the operators that run on the CPU, without those that were reported before; `undefined` where there is
 * nothing new.
 * @param reported operators named in earlier lines; this line's are added
 */
export function placementNotice(
  graph: string,
  provider: string,
  { nodes, onCpu, copies }: Placement,
  reported: Set<string>,
): string | undefined {
  const all = Object.entries(onCpu).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const fresh = all.filter(([operator]) => !reported.has(operator));
  if (fresh.length === 0) return undefined;
  for (const [operator] of fresh) reported.add(operator);
  const total = all.reduce((sum, [, n]) => sum + n, 0);
  const list = fresh.map(([operator, n]) => (n === 1 ? operator : `${operator} ×${n}`)).join(", ");
  return (
    `graph ${graph}: ${total} of ${nodes - copies} nodes run on the CPU, the rest on ${provider}, with ${copies} ` +
    `copies between them. On the CPU: ${list}`
  );
}
