// An LM as plain data: its config, and where each weight is. Enough to build graphs with, in any thread.
import type { BackboneConfig } from "../checkpoint/config.js";

/** A weight in a file, or, where no file is named, one that is an input of the graph because it is trained. */
export interface DeclaredWeight {
  readonly shape: readonly number[];
  readonly file?: string;
  readonly byteOffset?: number;
  readonly byteLength?: number;
}

/** What `postMessage` takes to another thread. */
export interface ModelDeclaration {
  readonly config: BackboneConfig;
  /** By the architecture's names. */
  readonly weights: ReadonlyMap<string, DeclaredWeight>;
  readonly trainable: boolean;
}
