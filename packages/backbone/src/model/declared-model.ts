// An LM that builds graphs from its declaration alone, in any thread.
import type { Engine, Graph, Value } from "@cllm4rec/onnx-grad";
import { ArchitectureModel } from "./architecture-model.js";
import type { LanguageModel } from "./language-model.js";
import type { DeclaredWeight, ModelDeclaration } from "./model-declaration.js";

/** A weight as a value of the graph, one for all its uses. */
export function declareWeight(graph: Graph, name: string, weight: DeclaredWeight): Value {
  const { shape, file, byteOffset: offset, byteLength } = weight;
  if (file === undefined) return graph.inputs.get(name) ?? graph.input(name, "float32", shape);
  const existing = graph.initializers.find((value) => value.name === name);
  return (
    existing ??
    graph.initializer(name, { dtype: "float32", shape, file, offset: offset ?? 0, byteLength: byteLength ?? 0 })
  );
}

/** Builds the graphs of the LM that was declared; it runs none. */
export class DeclaredModel extends ArchitectureModel implements LanguageModel {
  readonly trainableWeights?: (graph: Graph) => ReadonlyMap<string, Value>;

  constructor(readonly declaration: ModelDeclaration) {
    super(declaration.config);
    const { trainable, weights } = declaration;
    if (trainable) this.trainableWeights = (graph) => new Map([...graph.inputs].filter(([name]) => weights.has(name)));
  }

  get engine(): Engine {
    throw new Error("an LM that is only declared has no engine");
  }

  protected weight(graph: Graph, name: string): Value {
    return declareWeight(graph, name, this.declaration.weights.get(name)!);
  }
}
