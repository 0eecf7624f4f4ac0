// The messages between the engine and the worker thread that holds onnxruntime's sessions.
import type { TypedArray } from "../../graph/tensor.js";
import type { Tensor } from "../engine.js";
import type { Placement } from "./placement.js";

/** What of onnxruntime computes: its CPU kernels, or a GPU through WebGPU (Vulkan, Direct3D 12, Metal) or CUDA. */
export type ExecutionProvider = "cpu" | "webgpu" | "cuda";

export interface SessionSettings {
  readonly executionProvider: ExecutionProvider;
  readonly threads: number;
  /** The provider's own options; none for the CPU. */
  readonly providerOptions: Readonly<Record<string, string | number | boolean>>;
  /** Session configuration entries by their full names. */
  readonly entries: Readonly<Record<string, string>>;
  /** Writes a profile in Chrome's trace format with this prefix. */
  readonly profile?: string;
  /** Nodes that WebGPU leaves to the CPU. */
  readonly onCpu?: readonly string[];
  /** Whether the first run tells where the nodes are. */
  readonly placement?: boolean;
  /** Outputs that stay with the worker, on the GPU where onnxruntime can leave them there. */
  readonly kept?: readonly string[];
}

/** A tensor that the worker holds. */
export interface Held {
  readonly dtype: Tensor["dtype"];
  readonly shape: readonly number[];
  readonly held: number;
}

export type Request =
  | {
      readonly id: number;
      readonly kind: "load";
      readonly session: number;
      readonly model: Uint8Array;
      readonly settings: SessionSettings;
    }
  | {
      readonly id: number;
      readonly kind: "run";
      readonly session: number;
      readonly feeds: Readonly<Record<string, Tensor | Held>>;
      readonly outputs: readonly string[];
      readonly reuse: Readonly<Record<string, Tensor>>;
    }
  /** Frees a tensor that the worker holds. */
  | { readonly id: number; readonly kind: "drop"; readonly held: number }
  | { readonly id: number; readonly kind: "release"; readonly session: number };

/**
 * What travels to the worker: a request; the word that nobody waits for one any more (it is then skipped if it has not
 * begun); or the word to free everything and end.
 */
export type Message = Request | { readonly kind: "cancel"; readonly id: number } | { readonly kind: "close" };

/** What the worker is started with. */
export interface WorkerData {
  /** Shared memory: the two int32 flags of exit-gate.ts. */
  readonly flags: Int32Array;
}

/** Feeds of at least so many bytes travel back after the run, so that the next run's copies need no fresh memory. */
export const LARGE = 64 * 1024;

export type Response =
  | {
      readonly id: number;
      readonly ok: true;
      readonly outputs?: Record<string, Tensor>;
      readonly held?: Record<string, Held>;
      /** The memory of large feeds, for the next run's. */
      readonly reusableBuffers?: Record<string, TypedArray>;
      readonly placement?: Placement;
    }
  | { readonly id: number; readonly ok: false; readonly message: string };
