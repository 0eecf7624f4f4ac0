// Sliding windows in config.json: which layers look at how many of the last positions, in one normal form.
import { type ConfigContext, unsupported } from "./config-common.js";

/** For each layer the number of last positions that a query looks at, itself included; null for all. */
export type Windows = readonly (number | null)[];

/** The same in every layer. A window no shorter than the longest sequence hides nothing. */
export function sameWindow(window: number | null | undefined, layers: number, maxPositions: number): Windows {
  return new Array<number | null>(layers).fill(effective(window, maxPositions));
}

/**
 * A window in the layers that `layer_types` calls `sliding_attention`.
 * @param types one for each layer
 * @throws CheckpointError for types of other kinds, another number of them, or a sliding layer without a window
 */
export function windowsOf(
  types: readonly string[],
  window: number | null | undefined,
  { layers, maxPositions }: { readonly layers: number; readonly maxPositions: number },
  context: ConfigContext,
): Windows {
  const other = types.find((type) => type !== "full_attention" && type !== "sliding_attention");
  if (other !== undefined) throw unsupported(context, "layer_types", other, '"full_attention" or "sliding_attention"');
  if (types.length !== layers) throw unsupported(context, "layer_types", types, `${layers} types, one for each layer`);
  if (types.includes("sliding_attention") && window == null) {
    throw unsupported(context, "layer_types", "sliding_attention", '"sliding_window" to say how wide the window is');
  }
  return types.map((type) => (type === "sliding_attention" ? effective(window, maxPositions) : null));
}

function effective(window: number | null | undefined, maxPositions: number): number | null {
  return window == null || window >= maxPositions ? null : window;
}
