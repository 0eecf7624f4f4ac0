// A trained model as one graph for other programs: extended ids in, scores of all items out. What a batch packs for
// speed is computed in the graph here, and the tables are part of it.
import { Graph } from "@cllm4rec/onnx-grad";
import type { BaseModel } from "./base-model.js";
import { causalBias, perWindow } from "./body.js";
import type { SoftTables } from "./documents.js";
import { widened } from "./skip-path.js";

// Shape legend: B prompts, T tokens of the longest, n = B·T, N words, I users, J items, K width of the LM, D ≥ K
// of the tables.

/**
 * Inputs: `input_ids` int64 [B, T], extended ids, shorter prompts filled up at the end with any id; `attention_mask`
 * int64 [B, T], 1 for the tokens of the prompt and 0 for the filling. Outputs: `scores` [B, J], Eq. 9 with the skip
 * path where the tables have one, and `user_embedding` [B, D], whose inner products with the items' rows they are.
 * @throws Error for an encoder–decoder
 */
export function portableGraph({ backbone, vocabulary, layout }: BaseModel, tables: SoftTables): Graph {
  if (layout.kind !== "decoder-only")
    throw new Error(`a ${backbone.config.modelType} backbone has an encoder; one graph of it cannot be written yet`);
  const { words: N, users: I, items: J, width: D, hiddenSize: K } = vocabulary;
  const graph = new Graph("recommendation");
  const { op } = graph;
  const integer = (value: number) => op.scalar(value, "int64");
  const ids = graph.input("input_ids", "int64", ["B", "T"]);
  const mask = graph.input("attention_mask", "int64", ["B", "T"]);
  const upTo = (size: "B" | "T") => op.Range(integer(0), op.Squeeze(op.dims([size]), [0]), integer(1));

  const rows = new Float32Array((I + J) * D);
  rows.set(tables.users.data);
  rows.set(tables.items.data, I * D);
  const table = graph.initializer("users_and_items", { dtype: "float32", shape: [I + J, D], data: rows });
  const flat = op.Reshape(ids, [-1]); // [n]
  const isWord = op.Less(flat, integer(N));
  const words = op.Gather(backbone.embeddings(graph), op.Where(isWord, flat, integer(0))); // [n, K]
  const soft = op.Gather(table, op.Where(isWord, integer(0), op.Sub(flat, integer(N)))); // [n, D]
  const read = K === D ? soft : op.Slice(soft, [0], [K], [1]); // [n, K]
  const positions = op.Add(op.Mul(ids, integer(0)), upTo("T")); // [B, T]
  const place = upTo("T"); // [T]
  const last = op.Add(
    op.Mul(upTo("B"), op.Squeeze(op.dims(["T"]), [0])),
    op.Sub(op.ReduceSum(mask, [1], { keepdims: 0 }), integer(1)),
  ); // [B]
  // Filling comes after all that counts, so that looking back alone keeps it out.
  const attentionBias = perWindow((window) => [causalBias(graph, op.Unsqueeze(place, [0, 1, 3]), place, window)]);
  const { hiddenStates } = backbone.decode(graph, {
    embeddings: op.Where(op.Unsqueeze(isWord, [1]), words, read),
    positions,
    attentionBias,
    dropout: (x) => x,
    wanted: { tokens: last },
  }); // [B, K]

  let states = widened(graph, hiddenStates, D);
  if (tables.skipGain) {
    const gain = graph.initializer("skip_gain", { dtype: "float32", shape: [D], data: tables.skipGain });
    const isItem = op.And(op.GreaterOrEqual(ids, integer(N + I)), op.Greater(mask, integer(0)));
    const counted = op.Cast(isItem, "float32"); // [B, T]
    const sums = op.Squeeze(op.MatMul(op.Unsqueeze(counted, [1]), op.Reshape(soft, ["B", "T", D])), [1]); // [B, D]
    const count = op.Max(op.ReduceSum(counted, [1], { keepdims: 1 }), op.scalar(1)); // [B, 1]
    states = op.Add(states, op.Mul(op.Div(sums, op.Sqrt(count)), gain));
  }
  const scaled = op.Mul(states, backbone.tiedHeadScale);
  graph.output("user_embedding", scaled);
  const items = op.Slice(table, [I], [I + J], [0]); // [J, D]
  graph.output("scores", op.MatMul(scaled, op.Transpose(items, { perm: [1, 0] })));
  return graph;
}
