// The text map, f(x) = xᵀW: the part of an embedding that is a learned linear function of its text. Eq. 2 read
// forwards, with a mean that is learned: z = f(x) + δ, δ ~ N(0, λ⁻¹I). An item that nobody has touched yet has f(x) for
// its embedding.
import type { EmbeddingTable, RowGradients, SoftTables } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { SparseProduct, type SparseRows } from "../kernels/sparse-product.js";
import type { TokenTables } from "../tables/tables.js";

// Shape legend: J items, F features, K width.

/** Adds a map's share to tables of δ, and takes gradients of embeddings back to the map's weights. */
export class TextMap {
  private readonly product: SparseProduct;
  private readonly items: Float32Array;

  /**
   * @param features x of every item, [J, F]
   * @param weights W, row-major [F, K]; read at every call, so that it may be in training
   * @throws TrainingError for features that are malformed, or weights of another size
   */
  constructor(
    readonly features: SparseRows,
    readonly weights: Float32Array,
    width: number,
  ) {
    if (weights.length !== features.columns * width) {
      throw new TrainingError(
        `text map: found ${weights.length} weights, expected ${features.columns} features of width ${width}`,
      );
    }
    this.product = new SparseProduct(features, width);
    this.items = new Float32Array(features.rows * width);
  }

  /** The embeddings z = δ + f(x) of all items; valid until the next call, whose memory it is. */
  embeddings(deltas: SoftTables): SoftTables {
    this.product.addTo(deltas.items.data, this.weights, this.items);
    return { ...deltas, items: { rows: deltas.items.rows, data: this.items } };
  }

  /** Tables of δ and weights W as the tables that a model reads, in memory of their own. */
  apply(tables: TokenTables): TokenTables {
    const { collaborative, content, textMap } = tables;
    const weights = textMap?.data ?? this.weights;
    const side = (soft: SoftTables): SoftTables => {
      const data = new Float32Array(soft.items.data.length);
      this.product.addTo(soft.items.data, weights, data);
      return { ...soft, items: { rows: soft.items.rows, data } };
    };
    return { ...tables, collaborative: side(collaborative), ...(content && { content: side(content) }) };
  }

  /** ∂loss/∂W, [F, K], from ∂loss/∂z. */
  gradient({ rows, data }: RowGradients): Float32Array {
    const all = this.features.rows;
    if (rows.length === all) return this.product.transposed(data);
    const width = this.items.length / all;
    const dense = new Float32Array(this.items.length);
    rows.forEach((row, r) => {
      dense.set(data.subarray(r * width, (r + 1) * width), row * width);
    });
    return this.product.transposed(dense);
  }
}

/** δ = z − xᵀW, so that training begins with the embeddings z. @throws TrainingError as {@link TextMap} does */
export function deltasOf({ rows, data }: EmbeddingTable, features: SparseRows, weights: Float32Array): EmbeddingTable {
  const width = data.length / rows;
  const mapped = new Float32Array(data.length);
  new SparseProduct(features, width).addTo(mapped, weights, mapped);
  return { rows, data: data.map((z, at) => z - mapped[at]!) };
}
