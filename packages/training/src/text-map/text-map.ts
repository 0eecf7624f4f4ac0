// The text map, f(x) = xᵀW: the part of an embedding that is a learned linear function of its text. Eq. 2 read
// forwards, with a mean that is learned: z = f(x) + δ, δ ~ N(0, λ⁻¹I). An item that nobody has touched yet has f(x) for
// its embedding.
import type { RowGradients, SoftTables } from "@cllm4rec/backbone";
import type { SparseFeatures } from "@cllm4rec/corpus";
import { TrainingError } from "../error.js";
import { SparseProduct } from "../kernels/sparse-product.js";
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
    readonly features: SparseFeatures,
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

  /** Tables of δ and weights W as the tables z that a model reads, in memory of their own. */
  apply(tables: TokenTables): TokenTables {
    return this.eachSide(tables, (deltas, weights) => {
      const data = new Float32Array(deltas.length);
      this.product.addTo(deltas, weights, data);
      return data;
    });
  }

  /** The reverse of {@link apply}: δ = z − f(x), so that training begins with the embeddings z. */
  split(tables: TokenTables): TokenTables {
    const mapped = new Float32Array(this.items.length);
    return this.eachSide(tables, (items, weights) => {
      this.product.addTo(mapped.fill(0), weights, mapped);
      return items.map((z, at) => z - mapped[at]!);
    });
  }

  private eachSide(
    tables: TokenTables,
    change: (items: Float32Array, weights: Float32Array) => Float32Array,
  ): TokenTables {
    const { collaborative, content, textMap } = tables;
    const side = (soft: SoftTables): SoftTables => {
      const { rows, data } = soft.items;
      return { ...soft, items: { rows, data: change(data, textMap?.data ?? this.weights) } };
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
