// What the typed methods of the operators take: operands, dimensions and the attributes that several operators share.
import type { Dim } from "../graph/dim.js";
import type { Value } from "../graph/graph.js";
import type { AttributeValue } from "./definition.js";
import { input, optional, type Parameter } from "./parameters.js";

/** A tensor, or a number that becomes a scalar constant of the other operand's element type. */
export type Operand = Value | number;

/** An int64 vector: a value of the graph, or known dimensions. */
export type Dims = Value | readonly Dim[];

export type Given = Record<string, AttributeValue | undefined>;
export type Flag = 0 | 1;

export interface Reduction {
  readonly keepdims?: Flag;
  readonly noop_with_empty_axes?: Flag;
}
export interface Product {
  readonly alpha?: number;
  readonly transA?: number;
  readonly transB?: number;
}
export interface Window {
  readonly kernel_shape?: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly group?: number;
}
export type AutoPad = "NOTSET" | "SAME_UPPER" | "SAME_LOWER" | "VALID";
export interface Loss {
  readonly reduction?: "none" | "sum" | "mean";
  readonly ignore_index?: number;
}
export interface Scatter {
  readonly axis?: number;
  readonly reduction?: "none" | "add";
}

/** What the short-hands take; operators declare theirs with their definitions. */
export const shorthands: Readonly<Record<string, readonly Parameter[]>> = {
  scalar: [input("number", "number"), optional("dtype", "dtype")],
  vector: [input("numbers", "numbers"), optional("dtype", "dtype")],
  ints: [input("numbers", "ints")],
  zerosLike: [input("x")],
  onesLike: [input("x")],
  expandLike: [input("x"), input("like")],
  reshapeTo: [input("x"), input("shape", "dims")],
  reshapeLike: [input("x"), input("like")],
  swapLast: [input("x")],
  dims: [input("dims", "dims")],
};
