// Operators that pick elements by index or write to them, and those that make tensors out of shapes and indices.
import { type Dim, elementCount, type Shape } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import { define, type OperatorContext, type OperatorDefinition } from "./definition.js";
import { input } from "./parameters.js";

/** The standard also has mul, max and min. */
const scatterReduction = { kind: "string", default: "none", values: ["none", "add"] } as const;

/** Shape checks shared by GatherElements and ScatterElements: same rank, indices no larger than data off the axis. */
function requireAligned(c: OperatorContext): number {
  const [data, indices] = [c.input(0), c.input(1)];
  c.requireInteger(1, "indices");
  if (data.rank !== indices.rank || data.rank === 0)
    throw new RangeError("data and indices must have the same rank, at least 1");
  const axis = c.axis("axis", data.rank);
  indices.shape.forEach((dim, i) => {
    const limit = data.shape[i]!;
    if (i !== axis && typeof dim === "number" && typeof limit === "number" && dim > limit) {
      throw new RangeError(`indices have size ${dim} along axis ${i}, data only ${limit}`);
    }
  });
  return axis;
}

function scatterNDShape(c: OperatorContext): Shape {
  const [data, indices, updates] = [c.input(0), c.input(1), c.input(2)];
  const depth = indices.dim(-1);
  if (indices.dtype !== "int64") throw new RangeError(`indices must be int64, not ${indices.dtype}`);
  if (typeof depth !== "number" || depth > data.rank)
    throw new RangeError(`index depth ${depth} for data of rank ${data.rank}`);
  const expected = [...indices.shape.slice(0, -1), ...data.shape.slice(depth)];
  if (expected.length !== updates.rank || expected.some((dim, i) => dim !== updates.shape[i])) {
    throw new RangeError(`updates must have shape [${expected.join(", ")}]`);
  }
  return data.shape;
}

export const indexing: readonly OperatorDefinition[] = [
  define({
    type: "Gather",
    inputs: [input("data"), input("indices")],
    attributes: { axis: { kind: "int", default: 0 } },
    infer: (c) => {
      const [data, indices] = [c.input(0), c.input(1)];
      c.requireInteger(1, "indices");
      const axis = c.axis("axis", data.rank);
      const picked = indices.content;
      const { content: known } = data;
      const content =
        known && picked?.every((i): i is number => typeof i === "number")
          ? picked.map((i) => {
              const dim = known.at(i);
              if (dim === undefined) throw new RangeError(`index ${i} is outside the ${known.length} known elements`);
              return dim;
            })
          : undefined;
      return [
        {
          dtype: data.dtype,
          shape: [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)],
          content,
        },
      ];
    },
    // Elements picked several times accumulate. Through ScatterElements, which onnxruntime runs serially: its ScatterND
    // divides the updates among threads, and of two additions to one element at the same time one is lost (seen with
    // 1.30).
    gradient: (c) => {
      const { op } = c;
      const data = c.input(0);
      const indices = c.input(1);
      if (data.shape.includes(0)) return [op.zerosLike(data)];
      const axis = c.axis("axis", data.rank);
      const before = data.shape.slice(0, axis);
      const after = data.shape.slice(axis + 1);
      const flat = op.Reshape(indices, [-1]);
      const rows = op.reshapeTo(c.outputGradient(), [...before, flat.dim(0), ...after]);
      const index = op.Reshape(flat, [...before.map(() => 1), -1, ...after.map(() => 1)]);
      return [op.ScatterElements(op.zerosLike(data), op.expandLike(index, rows), rows, { axis, reduction: "add" })];
    },
  }),
  define({
    type: "GatherElements",
    inputs: [input("data"), input("indices")],
    attributes: { axis: { kind: "int", default: 0 } },
    infer: (c) => {
      requireAligned(c);
      return [{ dtype: c.input(0).dtype, shape: c.input(1).shape }];
    },
    gradient: (c) => [
      c.op.ScatterElements(c.op.zerosLike(c.input(0)), c.input(1), c.outputGradient(), {
        axis: c.int("axis"),
        reduction: "add",
      }),
    ],
  }),
  define({
    type: "GatherND",
    inputs: [input("data"), input("indices")],
    attributes: { batch_dims: { kind: "int", default: 0, values: [0] } },
    infer: (c) => {
      const [data, indices] = [c.input(0), c.input(1)];
      if (indices.dtype !== "int64") throw new RangeError(`indices must be int64, not ${indices.dtype}`);
      const depth = indices.dim(-1);
      if (typeof depth !== "number" || depth > data.rank)
        throw new RangeError(`index depth ${depth} for data of rank ${data.rank}`);
      return [{ dtype: data.dtype, shape: [...indices.shape.slice(0, -1), ...data.shape.slice(depth)] }];
    },
    // As for Gather, on the leading axes made one: index i₀, i₁, … is row i₀·d₁·d₂·… + i₁·d₂·… + …
    gradient: (c) => {
      const { op } = c;
      const [data, indices] = [c.input(0), c.input(1)];
      if (data.shape.includes(0) || indices.shape.includes(0)) return [op.zerosLike(data)];
      const depth = indices.dim(-1) as number;
      const leading = data.shape.slice(0, depth);
      const strides = leading.map((_, i) => elementCount(leading.slice(i + 1)));
      // negative ones from the end
      const counted = op.Where(op.Less(indices, 0), op.Add(indices, op.dims(leading)), indices);
      const row = op.Reshape(op.ReduceSum(op.Mul(counted, op.dims(strides)), [-1], { keepdims: 0 }), [-1, 1]);
      const rest = elementCount(data.shape.slice(depth));
      const updates = op.reshapeTo(c.outputGradient(), [row.dim(0), rest]);
      const base = op.reshapeTo(op.zerosLike(data), [elementCount(leading), rest]);
      const sums = op.ScatterElements(base, op.expandLike(row, updates), updates, { axis: 0, reduction: "add" });
      return [op.reshapeLike(sums, data)];
    },
  }),
  define({
    type: "ScatterElements",
    inputs: [input("data"), input("indices"), input("updates")],
    attributes: { axis: { kind: "int", default: 0 }, reduction: scatterReduction },
    infer: (c) => {
      requireAligned(c);
      const [data, indices, updates] = [c.input(0), c.input(1), c.input(2)];
      if (indices.shape.some((dim, i) => dim !== updates.shape[i]))
        throw new RangeError("indices and updates differ in shape");
      c.sameDType(0, 2);
      return [{ dtype: data.dtype, shape: data.shape }];
    },
    gradient: (c) => {
      const { op } = c;
      const dy = c.outputGradient();
      const axis = c.int("axis");
      const kept =
        c.text("reduction") === "add" ? dy : op.ScatterElements(dy, c.input(1), op.zerosLike(c.input(2)), { axis });
      return [kept, undefined, c.needs(2) ? op.GatherElements(dy, c.input(1), { axis }) : undefined];
    },
  }),
  define({
    type: "ScatterND",
    inputs: [input("data"), input("indices"), input("updates")],
    attributes: { reduction: scatterReduction },
    infer: (c) => {
      c.sameDType(0, 2);
      return [{ dtype: c.input(0).dtype, shape: scatterNDShape(c) }];
    },
    gradient: (c) => {
      const { op } = c;
      const dy = c.outputGradient();
      const kept = c.text("reduction") === "add" ? dy : op.ScatterND(dy, c.input(1), op.zerosLike(c.input(2)));
      return [kept, undefined, c.needs(2) ? op.GatherND(dy, c.input(1)) : undefined];
    },
  }),
  define({
    type: "OneHot",
    float32Only: true,
    inputs: [input("indices"), input("depth", "size"), input("values")],
    attributes: { axis: { kind: "int", default: -1 } },
    infer: (c) => {
      const [depth] = c.constantInts(1, "depth") ?? [];
      const { shape, rank } = c.input(0);
      const axis = c.axis("axis", rank + 1);
      return [{ dtype: c.input(2).dtype, shape: shape.toSpliced(axis, 0, depth!) }];
    },
    // To [off, on]: what fell on either.
    gradient: (c) => {
      const { op } = c;
      const [depth] = c.constantInts(1, "depth")!;
      const dy = c.outputGradient();
      const hot = op.OneHot(c.input(0), depth!, op.vector([0, 1], dy.dtype), { axis: c.int("axis") });
      const total = (value: Value) => op.ReduceSum(value, undefined, { keepdims: 0 });
      const on = total(op.Mul(dy, hot));
      const parts = [op.Sub(total(dy), on), on].map((value) => op.Unsqueeze(value, [0]));
      return [undefined, undefined, op.Concat(parts, { axis: 0 })];
    },
  }),
  define({
    type: "Shape",
    inputs: [input("data")],
    attributes: { start: { kind: "int", default: 0 }, end: { kind: "int" } },
    infer: (c) => {
      const content = c.input(0).shape.slice(c.int("start"), c.attributes.end as number | undefined);
      return [{ dtype: "int64", shape: [content.length], content }];
    },
    gradient: "none",
  }),
  define({
    type: "Range",
    inputs: [input("start"), input("limit"), input("delta")],
    infer: (c) => {
      const dtype = c.sameDType();
      const [start, limit, delta] = [0, 1, 2].map((i) => c.input(i).content?.[0]);
      let length: Dim | undefined;
      if (typeof start === "number" && typeof limit === "number" && typeof delta === "number") {
        length = Math.max(0, Math.ceil((limit - start) / delta));
      } else if (start === 0 && delta === 1) {
        length = limit;
      }
      if (length === undefined)
        throw new RangeError("start, limit and delta must be known, or be 0, a known dimension and 1");
      return [{ dtype, shape: [length] }];
    },
    gradient: "none",
  }),
];
