// The part of TensorFlow.js that the engine uses: the functions and tensors of @tensorflow/tfjs-core, whichever package
// brings them.
import type * as core from "@tensorflow/tfjs-core";

export type TensorFlow = typeof core;
export type DeviceTensor = core.Tensor;
