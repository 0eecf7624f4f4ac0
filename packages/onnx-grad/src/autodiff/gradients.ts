// Reverse-mode differentiation, graph to graph: the gradient is more nodes of the same graph, made by one rule per
// operator.

import { sameShape } from "../graph/dim.js";
import { GraphError } from "../graph/errors.js";
import type { Graph, Node, Value } from "../graph/graph.js";
import { isFloat } from "../graph/tensor.js";
import { GradientContext } from "../operators/definition.js";
import { describe, isValue } from "../operators/parameters.js";

/**
 * Adds to the graph what computes ∂loss/∂target for every target, and returns those values in the targets' order.
 *
 * Only nodes between the targets and the loss are visited, and a rule is asked only for the inputs that lead to a
 * target: constants and frozen weights cost nothing. A target that the loss does not depend on gets zeros.
 *
 * @param loss a float scalar, or any float tensor where `seed` is given.
 * @param targets float values of the same graph: inputs, constants or intermediate values.
 * @param seed ∂(final objective)/∂loss, of the loss's shape; 1 where absent.
 * @throws GraphError where the loss is no scalar and there is no seed, where a value is of another graph or no float,
 *   or where an operator on the way has no gradient rule (the message names it).
 */
export function gradients(graph: Graph, loss: Value, targets: readonly Value[], seed?: Value): Value[] {
  checkOperands(graph, loss, targets, seed);
  for (const value of [loss, ...targets, ...(seed ? [seed] : [])]) {
    if (value.graph !== graph)
      throw new GraphError(graph.name, `gradients: ${value} belongs to graph ${value.graph.name}`);
    if (!isFloat(value.dtype)) throw new GraphError(graph.name, `gradients: ${value} is no float tensor`);
  }
  if (!seed && loss.rank !== 0)
    throw new GraphError(graph.name, `gradients: ${loss} is no scalar; give a seed of its shape`);
  if (seed && !sameShape(seed.shape, loss.shape)) {
    throw new GraphError(graph.name, `gradients: seed ${seed} differs in shape from ${loss}`);
  }

  const forward = graph.nodes.slice();
  const active = valuesThatLeadFrom(targets, forward);
  const accumulated = new Map<Value, Value>();
  accumulated.set(loss, seed ?? graph.op.scalar(1, loss.dtype));

  return graph.scope("gradient", () => {
    for (const node of forward.reverse()) {
      if (!node.outputs.some((output) => output && active.has(output) && accumulated.has(output))) continue;
      backpropagate(graph, node, active, accumulated);
    }
    return targets.map((target) => accumulated.get(target) ?? graph.op.zerosLike(target));
  });
}

function checkOperands(graph: Graph, loss: unknown, targets: unknown, seed: unknown): void {
  const refuse = (what: string, found: unknown) =>
    new GraphError(graph.name, `gradients: ${what} must be a tensor of the graph, not ${describe(found)}`);
  if (!isValue(loss)) throw refuse("the loss", loss);
  if (!Array.isArray(targets)) {
    throw new GraphError(graph.name, `gradients: targets must be a list of tensors, not ${describe(targets)}`);
  }
  targets.forEach((target: unknown, i) => {
    if (!isValue(target)) throw refuse(`target ${i}`, target);
  });
  if (seed !== undefined && !isValue(seed)) throw refuse("the seed", seed);
}

/** A tensor known to have no elements passes no gradient on, and onnxruntime's memory planner trips over sizes of 0. */
const hasElements = (value: Value): boolean => !value.shape.includes(0);

/** All values that depend on a target, the targets included. */
function valuesThatLeadFrom(targets: readonly Value[], nodes: readonly Node[]): ReadonlySet<Value> {
  const active = new Set<Value>(targets.filter(hasElements));
  for (const node of nodes) {
    if (!node.inputs.some((input) => input && active.has(input))) continue;
    for (const output of node.outputs) if (output && isFloat(output.dtype) && hasElements(output)) active.add(output);
  }
  return active;
}

function backpropagate(graph: Graph, node: Node, active: ReadonlySet<Value>, accumulated: Map<Value, Value>): void {
  const rule = node.definition.gradient;
  if (rule === "none") return;
  if (!rule) throw new GraphError(graph.name, `operator ${node.type} (node ${node.name}) has no gradient rule`);
  const needed = node.inputs.map((input) => input !== undefined && active.has(input));
  const outputGradients = node.outputs.map((output) => output && accumulated.get(output));
  const { op } = graph;
  let inputGradients: readonly (Value | undefined)[];
  try {
    inputGradients = graph.scope(node.name, () => rule(new GradientContext(node, op, outputGradients, needed)));
  } catch (error) {
    if (error instanceof GraphError) throw error;
    throw new GraphError(graph.name, `gradient of ${node.type} (node ${node.name}): ${(error as Error).message}`);
  }
  node.inputs.forEach((input, i) => {
    const gradient = inputGradients[i];
    if (!input || !gradient || !needed[i]) return;
    if (!sameShape(gradient.shape, input.shape)) {
      throw new GraphError(
        graph.name,
        `gradient of ${node.type} (node ${node.name}) for input ${i}: ${gradient} for ${input}`,
      );
    }
    const earlier = accumulated.get(input);
    accumulated.set(input, earlier ? op.Add(earlier, gradient) : gradient);
  });
}
