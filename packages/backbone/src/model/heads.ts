// The tied softmax heads (Eq. 4, 5 and 9) with their loss and its gradients, written out rather than differentiated.
import type { Graph, Value } from "@cllm4rec/onnx-grad";

// Shape legend: M scored positions, C classes (items J, or vocabulary N), P targets, K width.

export interface HeadLoss {
  /** Σ_p w_p · (−log softmax(h_m(p) · Eᵀ)[c(p)]), scalar. */
  readonly loss: Value;
  /** −log p of every target, [P]. */
  readonly targetLosses: Value;
  /** ∂loss/∂h, [M, K]. */
  readonly hiddenGradient: Value;
  /** ∂loss/∂E, [C, K]; adds nodes only when asked for. */
  tableGradient(): Value;
}

/**
 * A multinomial over all classes from each scored hidden state, every scored position having any number of weighted
 * targets.
 *
 * With p = softmax(h·Eᵀ), W_m = Σ_p w_p over the targets of position m, and one-hot targets Y weighted by w:
 * ∂loss/∂logits = W ∘ p − Y, so ∂h = W ∘ (p·E) − Y·E and ∂E = pᵀ·(W ∘ h) − Yᵀ·h. The weights are applied at width K and
 * Y stays sparse, so that nothing of size M × C is computed beyond logits and p. log Σ exp is max(logits) − log max(p),
 * which can't overflow.
 *
 * Declares the inputs `targetRows` [P] (m of every target), `targetClasses` [P], `targetWeights` [P], `rowWeights` [M,
 * 1] (W).
 * @param bias added to the logits, [C]: −∞ for a class that has no part
 */
export function addHead(graph: Graph, hidden: Value, table: Value, bias?: Value): HeadLoss {
  const { op } = graph;
  const targetRows = graph.input("targetRows", "int64", ["P"]);
  const targetClasses = graph.input("targetClasses", "int64", ["P"]);
  const targetWeights = graph.input("targetWeights", "float32", ["P"]);
  const rowWeights = graph.input("rowWeights", "float32", ["M", 1]);
  return graph.scope("head", () => {
    const products = op.FusedMatMul(hidden, table, { transB: 1 });
    const logits = bias ? op.Add(products, bias) : products; // [M, C]
    const probabilities = op.Softmax(logits, { axis: -1 });
    const logSum = op.Sub(
      op.ReduceMax(logits, [1], { keepdims: 0 }),
      op.Log(op.ReduceMax(probabilities, [1], { keepdims: 0 })),
    ); // [M]
    const pairs = op.Concat([op.Unsqueeze(targetRows, [1]), op.Unsqueeze(targetClasses, [1])], { axis: 1 }); // [P, 2]
    const targetLosses = op.Sub(op.Gather(logSum, targetRows), op.GatherND(logits, pairs));
    const loss = op.ReduceSum(op.Mul(targetLosses, targetWeights), undefined, { keepdims: 0 });

    const weights = op.Unsqueeze(targetWeights, [1]); // [P, 1]
    const expected = op.Mul(op.MatMul(probabilities, table), rowWeights); // W ∘ (p·E), [M, K]
    // rows of −Y·E before they are added up, [P, K]
    const pull = op.Mul(op.Gather(table, targetClasses), op.Neg(weights));
    return {
      loss,
      targetLosses,
      hiddenGradient: addRows(graph, expected, targetRows, pull),
      tableGradient: () => {
        const push = op.Mul(op.Gather(hidden, targetRows), op.Neg(weights)); // [P, K]
        const spread = op.FusedMatMul(probabilities, op.Mul(hidden, rowWeights), { transA: 1 }); // pᵀ·(W ∘ h), [C, K]
        return addRows(graph, spread, targetClasses, push);
      },
    };
  });
}

/** `base` with `updates` [P, K] added to its rows `rows` [P]; rows may repeat, and are added in order. */
function addRows(graph: Graph, base: Value, rows: Value, updates: Value): Value {
  const { op } = graph;
  const index = op.Expand(op.Unsqueeze(rows, [1]), updates.shape);
  return op.ScatterElements(base, index, updates, { axis: 0, reduction: "add" });
}
