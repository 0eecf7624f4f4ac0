// The part of the ONNX protobuf schema that a model of ours uses (onnx.proto, IR version 11), as a protobufjs
// descriptor.
import protobuf from "protobufjs/light.js";

type Field = { type: string; id: number; rule?: "repeated"; options?: { packed: boolean } };

const field = (type: string, id: number): Field => ({ type, id });
const repeated = (type: string, id: number): Field => ({ type, id, rule: "repeated" });

const types = {
  StringStringEntryProto: { fields: { key: field("string", 1), value: field("string", 2) } },
  TensorProto: {
    fields: {
      dims: repeated("int64", 1),
      dataType: field("int32", 2),
      name: field("string", 8),
      rawData: field("bytes", 9),
      externalData: repeated("StringStringEntryProto", 13),
      dataLocation: field("int32", 14),
    },
  },
  AttributeProto: {
    fields: {
      name: field("string", 1),
      f: field("float", 2),
      i: field("int64", 3),
      s: field("bytes", 4),
      floats: repeated("float", 7),
      ints: repeated("int64", 8),
      type: field("int32", 20),
    },
  },
  NodeProto: {
    fields: {
      input: repeated("string", 1),
      output: repeated("string", 2),
      name: field("string", 3),
      opType: field("string", 4),
      attribute: repeated("AttributeProto", 5),
      domain: field("string", 7),
    },
  },
  DimensionProto: {
    oneofs: { value: { oneof: ["dimValue", "dimParam"] } },
    fields: { dimValue: field("int64", 1), dimParam: field("string", 2) },
  },
  TensorShapeProto: { fields: { dim: repeated("DimensionProto", 1) } },
  TensorTypeProto: { fields: { elemType: field("int32", 1), shape: field("TensorShapeProto", 2) } },
  TypeProto: { fields: { tensorType: field("TensorTypeProto", 1) } },
  ValueInfoProto: { fields: { name: field("string", 1), type: field("TypeProto", 2) } },
  GraphProto: {
    fields: {
      node: repeated("NodeProto", 1),
      name: field("string", 2),
      initializer: repeated("TensorProto", 5),
      input: repeated("ValueInfoProto", 11),
      output: repeated("ValueInfoProto", 12),
      valueInfo: repeated("ValueInfoProto", 13),
    },
  },
  OperatorSetIdProto: { fields: { domain: field("string", 1), version: field("int64", 2) } },
  ModelProto: {
    fields: {
      irVersion: field("int64", 1),
      producerName: field("string", 2),
      graph: field("GraphProto", 7),
      opsetImport: repeated("OperatorSetIdProto", 8),
    },
  },
} satisfies Record<string, protobuf.IType>;

// As in proto2, which onnx.proto is: a field that is set is written, also where it holds 0.
const explicit = { features: { field_presence: "EXPLICIT" } };
const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { ...type, options: explicit }])),
});

/** The message type of a whole model. */
export const ModelProto = root.lookupType("ModelProto");
