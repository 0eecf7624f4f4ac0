// Graph → bytes of a valid .onnx model. Constants in memory are embedded; constants in files are referred to by offset.
import fs from "node:fs";
import path from "node:path";
import type { Shape } from "../graph/dim.js";
import { GraphError } from "../graph/errors.js";
import type { Graph, Node, Value } from "../graph/graph.js";
import type { DType, ExternalTensor } from "../graph/tensor.js";
import { dataTypeNumbers } from "../operators/conversion.js";
import type { AttributeKind, AttributeValue } from "../operators/definition.js";
import { reachable } from "../transform/prune.js";
import { ModelProto } from "./schema.js";

/** The operator set that every model is written for, and the file-format version that goes with it. */
export const opsetVersion = 23;
const irVersion = 11;

/** AttributeProto.AttributeType and the field that carries each kind. */
const attributeEncodings: Record<AttributeKind, { type: number; field: string }> = {
  float: { type: 1, field: "f" },
  int: { type: 2, field: "i" },
  string: { type: 3, field: "s" },
  floats: { type: 6, field: "floats" },
  ints: { type: 7, field: "ints" },
};

export interface SerializedModel {
  readonly bytes: Uint8Array;
  /** The folder that the model's external-data locations are relative to; `undefined` where nothing is external. */
  readonly externalFolder: string | undefined;
}

/**
 * Writes the graph as an ONNX model. Nodes that no output needs are left out.
 * @param options.externalFolder what external-data locations shall be relative to; by default the deepest folder above
 *   all files.
 * @param options.embed true: constants in files are read and become part of the model, which then is one file
 * @throws GraphError where the graph has no output, an external file lies outside the folder, or an embedded model
 *   would be larger than the 2 GiB of a protobuf message.
 */
export function serializeModel(
  graph: Graph,
  options: { readonly externalFolder?: string; readonly embed?: boolean } = {},
): SerializedModel {
  if (graph.outputs.size === 0) throw new GraphError(graph.name, "a model needs at least one output");
  const { nodes, initializers } = reachable(graph);
  const files = [
    ...new Set(
      initializers.flatMap(({ constant }) =>
        constant && "file" in constant && !options.embed ? [path.resolve(constant.file)] : [],
      ),
    ),
  ];
  if (options.embed) checkSize(graph, initializers);
  const externalFolder = options.externalFolder ? path.resolve(options.externalFolder) : commonFolder(files);
  const outputs = nameOutputs(graph);
  const usesContrib = nodes.some((node) => node.definition.domain !== "");
  const message = {
    irVersion,
    producerName: "@cllm4rec/onnx-grad",
    opsetImport: [
      { domain: "", version: opsetVersion },
      ...(usesContrib ? [{ domain: "com.microsoft", version: 1 }] : []),
    ],
    graph: {
      name: graph.name,
      node: [...nodes.map((node) => nodeMessage(node, outputs.names)), ...outputs.copies],
      initializer: initializers.map((value) =>
        tensorMessage(graph, value, options.embed ? "embed" : { externalFolder }),
      ),
      input: [...graph.inputs.values()].map(({ name, dtype, shape }) => valueMessage(name, dtype, shape)),
      output: [...graph.outputs].map(([name, { dtype, shape }]) => valueMessage(name, dtype, shape)),
      // Engines infer symbolic shapes less well than we do; onnxruntime plans memory faster where equal dimensions have
      // equal names.
      valueInfo: nodes.flatMap((node) =>
        node.outputs.flatMap((value) =>
          value && !outputs.names.has(value) ? [valueMessage(value.name, value.dtype, value.shape)] : [],
        ),
      ),
    },
  };
  const bytes = plain(ModelProto.encode(ModelProto.fromObject(message)).finish());
  return { bytes, externalFolder: files.length > 0 ? externalFolder : undefined };
}

/**
 * A Uint8Array that is the whole of its own buffer; protobufjs hands out Node's Buffers, small ones as views of a pool.
 */
function plain(bytes: Uint8Array): Uint8Array {
  const whole = bytes.byteLength === bytes.buffer.byteLength;
  return whole ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes);
}

/**
 * The name each value is written under. A computed value takes its (first) output's name; further names, and outputs
 * that are inputs or constants, are written as Identity nodes.
 */
function nameOutputs(graph: Graph): { names: ReadonlyMap<Value, string>; copies: object[] } {
  const names = new Map<Value, string>();
  const copies: object[] = [];
  for (const [name, value] of graph.outputs) {
    if (value.producer && !names.has(value)) {
      names.set(value, name);
    } else {
      const input = [names.get(value) ?? value.name];
      copies.push({ opType: "Identity", name: `output/${name}`, input, output: [name] });
    }
  }
  return { names, copies };
}

function nodeMessage(node: Node, names: ReadonlyMap<Value, string>): object {
  const written = (value: Value | undefined) => (value ? (names.get(value) ?? value.name) : "");
  const last = node.outputs.findLastIndex((output) => output !== undefined);
  return {
    opType: node.type,
    domain: node.definition.domain,
    name: node.name,
    input: node.inputs.map(written),
    output: Array.from({ length: last + 1 }, (_, i) => written(node.outputs[i])),
    attribute: Object.entries(node.attributes).map(([name, value]) =>
      attributeMessage(name, node.definition.attributeKind(name), value),
    ),
  };
}

function attributeMessage(name: string, kind: AttributeKind, value: AttributeValue): object {
  const { type, field } = attributeEncodings[kind];
  return { name, type, [field]: typeof value === "string" ? new TextEncoder().encode(value) : value };
}

/** The most bytes of a protobuf message. */
const LARGEST = 2 ** 31 - 1;

function checkSize(graph: Graph, initializers: readonly Value[]): void {
  const bytes = initializers.reduce((sum, { constant }) => {
    return sum + (constant && "file" in constant ? constant.byteLength : (constant?.data.byteLength ?? 0));
  }, 0);
  if (bytes < LARGEST) return;
  throw new GraphError(graph.name, `the constants have ${bytes} bytes, and one file of ONNX holds at most ${LARGEST}`);
}

/** @throws GraphError where the file is shorter than it was */
function bytesInFile({ file, offset, byteLength }: ExternalTensor): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  const handle = fs.openSync(file, "r");
  try {
    for (let done = 0; done < byteLength; ) {
      const read = fs.readSync(handle, bytes, done, Math.min(byteLength - done, 1 << 30), offset + done);
      if (read === 0) throw new GraphError(file, `ends within a constant of ${byteLength} bytes at ${offset}`);
      done += read;
    }
  } finally {
    fs.closeSync(handle);
  }
  return bytes;
}

function tensorMessage(
  graph: Graph,
  value: Value,
  place: "embed" | { readonly externalFolder: string | undefined },
): object {
  const tensor = value.constant!;
  const head = { name: value.name, dims: tensor.shape, dataType: dataTypeNumbers[tensor.dtype] };
  if ("data" in tensor) {
    const { buffer, byteOffset, byteLength } = tensor.data;
    return { ...head, rawData: new Uint8Array(buffer, byteOffset, byteLength) };
  }
  if (place === "embed") return { ...head, rawData: bytesInFile(tensor) };
  const folder = place.externalFolder!;
  const location = path.relative(folder, path.resolve(tensor.file));
  if (location.startsWith("..") || path.isAbsolute(location)) {
    throw new GraphError(
      graph.name,
      `initializer ${value.name}: ${tensor.file} lies outside the external-data folder ${folder}`,
    );
  }
  return {
    ...head,
    dataLocation: 1,
    externalData: [
      { key: "location", value: location.split(path.sep).join("/") },
      { key: "offset", value: String(tensor.offset) },
      { key: "length", value: String(tensor.byteLength) },
    ],
  };
}

function valueMessage(name: string, dtype: DType, shape: Shape): object {
  const dim = shape.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: dataTypeNumbers[dtype], shape: { dim } } } };
}

/** The deepest folder that contains all files. */
function commonFolder(files: readonly string[]): string | undefined {
  const folders = files.map((file) => path.dirname(file));
  return folders.reduce<string | undefined>((common, folder) => {
    if (common === undefined) return folder;
    let candidate = common;
    while (path.relative(candidate, folder).startsWith("..")) candidate = path.dirname(candidate);
    return candidate;
  }, undefined);
}
