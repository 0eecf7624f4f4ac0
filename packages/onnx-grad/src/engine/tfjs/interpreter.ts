// Runs a plan node by node. Every intermediate tensor is freed after its last use, also where a run fails or is
// aborted.

import { reasonOf } from "../../graph/errors.js";
import type { Value } from "../../graph/graph.js";
import type { DType } from "../../graph/tensor.js";
import { type Bindings, evaluateDim } from "../check-feeds.js";
import { EngineError, type Tensor } from "../engine.js";
import { HostArray, sizeOf } from "./host-array.js";
import { type BackendTraits, KernelContext, type Result } from "./kernels/kernel.js";
import { isInteger, type Plan, type Step } from "./plan.js";
import { download, Slot } from "./slot.js";
import type { DeviceTensor, TensorFlow } from "./tensorflow.js";

export interface Runtime {
  readonly tf: TensorFlow;
  readonly traits: BackendTraits;
  /** Called between nodes: lets other work of the thread happen now and then; throws where the run shall end. */
  breathe(): Promise<void> | undefined;
}

/**
 * Computes a plan's outputs.
 * @param constants the graph's constants, which stay where they are.
 * @param feeds the graph's inputs.
 * @throws EngineError naming graph, node and operator.
 */
export async function execute(
  runtime: Runtime,
  graphName: string,
  plan: Plan,
  constants: ReadonlyMap<Value, Slot>,
  feeds: ReadonlyMap<Value, HostArray>,
  bindings: Bindings,
): Promise<Record<string, Tensor>> {
  const { tf } = runtime;
  const slots = new Map<Value, Slot>();
  for (const [value, array] of feeds) slots.set(value, new Slot(tf, value.dtype, array));
  const slotOf = (value: Value): Slot => {
    const slot = slots.get(value) ?? constants.get(value);
    if (!slot) throw new Error(`${value} has not been computed`);
    return slot;
  };
  try {
    for (const step of plan.steps) {
      await runtime.breathe();
      let results: readonly Result[];
      try {
        results = await runStep(runtime, step, slotOf, bindings);
      } catch (error) {
        const reason = reasonOf(error);
        throw new EngineError(graphName, `${step.node.type}: ${reason}`, step.node.name);
      }
      step.node.outputs.forEach((output, i) => {
        if (output) slots.set(output, new Slot(tf, output.dtype, results[i]!));
      });
      for (const value of step.lastUses) {
        slots.get(value)?.free();
        slots.delete(value);
      }
    }
    await runtime.breathe();
    const outputs: Record<string, Tensor> = {};
    for (const [name, value] of plan.outputs) {
      const array = await slotOf(value).array();
      outputs[name] = { dtype: array.dtype, shape: [...array.shape], data: array.elements().slice() };
    }
    return outputs;
  } finally {
    for (const slot of slots.values()) slot.free();
  }
}

async function runStep(
  { tf, traits }: Runtime,
  { node, kernel }: Step,
  slotOf: (value: Value) => Slot,
  bindings: Bindings,
): Promise<readonly Result[]> {
  const slots = node.inputs.map((input) => input && slotOf(input));
  const expected = node.outputs.map((output) => output && knownShape(output, bindings));
  if (!kernel) {
    const [start, end] = [node.attributes.start as number, node.attributes.end as number | undefined];
    return [HostArray.ints(slots[0]!.shape.slice(start, end))];
  }
  // Not every backend takes tensors without elements, and nothing has to be computed for them.
  if (expected.every((shape, i) => !node.outputs[i] || (shape && sizeOf(shape) === 0))) {
    return node.outputs.map((output, i) => HostArray.zeros(output?.dtype ?? "float32", expected[i] ?? [0]));
  }
  const deciding = (kernel.decidedBy ?? slots.map((_, i) => i)).flatMap((i) => slots[i] ?? []);
  const onHost =
    deciding.every(({ dtype, isInMemory }) => isInteger(dtype) || (dtype === "bool" && isInMemory)) ||
    (kernel.integerResultsInMemory === true && isInteger(node.outputs[0]!.dtype));
  const run = onHost ? kernel.host : kernel.device;
  if (!run)
    throw new TypeError(`there is no kernel over ${[...new Set(deciding.map(({ dtype }) => dtype))].join(", ")}`);
  const inMemory = slots.map((slot, i) => onHost || (slot && isInteger(slot.dtype)) || kernel.inMemory?.includes(i));
  const arrays = await Promise.all(slots.map((slot, i) => (inMemory[i] ? slot?.array() : undefined)));
  const tensors = slots.map((slot, i) => (inMemory[i] ? undefined : slot?.tensor()));
  const context = new KernelContext(tf, traits, node, tensors, arrays);

  let results: readonly Result[] = [];
  tf.tidy(() => {
    // A kernel may hand an input on; the result then needs a life of its own.
    results = run(context).map((result) => (isOneOf(tensors, result) ? tf.clone(result) : result));
    return results.filter((result): result is DeviceTensor => !(result instanceof HostArray));
  });
  return finished(results, node.outputs, expected);
}

const isOneOf = (tensors: readonly (DeviceTensor | undefined)[], result: Result): result is DeviceTensor =>
  !(result instanceof HostArray) && tensors.includes(result);

/** Results as declared: integers fetched into memory, shapes checked, unused ones freed. */
async function finished(
  results: readonly Result[],
  outputs: readonly (Value | undefined)[],
  expected: readonly (readonly number[] | undefined)[],
): Promise<readonly Result[]> {
  const free = () => {
    for (const result of results) if (!(result instanceof HostArray)) result.dispose();
  };
  try {
    const fetchedOutputs: Result[] = [];
    for (const [i, result] of results.entries()) {
      const output = outputs[i];
      const shape = expected[i];
      if (shape && (shape.length !== result.shape.length || shape.some((size, axis) => size !== result.shape[axis]))) {
        throw new RangeError(`output ${i} came out as [${result.shape.join(", ")}], expected [${shape.join(", ")}]`);
      }
      const fetch = output && isInteger(output.dtype) && !(result instanceof HostArray);
      fetchedOutputs.push(fetch ? await fetched(result, output.dtype) : result);
      if (!output && !(result instanceof HostArray)) result.dispose();
    }
    return fetchedOutputs;
  } catch (error) {
    free();
    throw error;
  }
}

async function fetched(tensor: DeviceTensor, dtype: DType): Promise<HostArray> {
  const array = await download(tensor, dtype);
  tensor.dispose();
  return array;
}

/** The value's shape where its symbols are bound by the inputs. */
function knownShape(value: Value, bindings: Bindings): number[] | undefined {
  const sizes = value.shape.map((dim) => evaluateDim(dim, bindings));
  return sizes.every((size) => size !== undefined) ? sizes : undefined;
}
