// From the graph that is wanted to a session: compiled in another thread wherever engine and LM allow it.
import { type CompiledGraph, type Engine, Graph, type Session } from "@cllm4rec/onnx-grad";
import { buildGraph, type GraphRequest } from "./graph-request.js";
import { canCompileElsewhere, compileElsewhere } from "./graph-thread.js";
import type { LanguageModel } from "./language-model.js";

/** @throws GraphError, or EngineError where the engine cannot load the graph */
export async function loadRequested(backbone: LanguageModel, request: GraphRequest): Promise<Session> {
  const { engine, declaration } = backbone;
  const executionProvider = engine.loadCompiled && engine.compilesFor;
  const graph =
    executionProvider && declaration && canCompileElsewhere()
      ? await compileElsewhere({ model: declaration, request, executionProvider })
      : buildGraph(backbone, request);
  return backbone.load?.(graph) ?? loadInto(engine, graph);
}

/** Either form of a graph. */
export function loadInto(engine: Engine, graph: Graph | CompiledGraph): Promise<Session> {
  return graph instanceof Graph ? engine.load(graph) : engine.loadCompiled!(graph);
}
