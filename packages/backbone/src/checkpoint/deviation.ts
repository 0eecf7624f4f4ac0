// The standard deviation of a tensor's elements, read piece by piece: how large the numbers are that a model was
// trained with.
import { CheckpointError, shown } from "./errors.js";
import type { TensorLocation } from "./safetensors.js";
import { readPieces, requireLittleEndian } from "./tensor-reader.js";

/**
 * √(mean of (x − mean)²) over all elements, in float64, in bounded memory.
 * Pieces are merged by the pairwise rule (Chan, Golub & LeVeque 1983), so that a mean far from 0 does not cost digits.
 * @throws CheckpointError where the tensor is not F32, or is empty
 */
export async function standardDeviation(tensor: TensorLocation, signal?: AbortSignal): Promise<number> {
  requireLittleEndian();
  if (tensor.dtype !== "F32" || tensor.byteLength === 0) {
    throw new CheckpointError(
      `${tensor.file}: tensor ${shown(tensor.name)} is ${tensor.dtype} of ${tensor.byteLength} bytes, expected ` +
        "F32 with at least one element",
    );
  }
  let [count, mean, squares] = [0, 0, 0];
  for await (const { bytes } of readPieces(tensor.file, [tensor], signal)) {
    const piece = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    let sum = 0;
    for (let i = 0; i < piece.length; i++) sum += piece[i]!;
    const own = sum / piece.length;
    let ownSquares = 0;
    for (let i = 0; i < piece.length; i++) ownSquares += (piece[i]! - own) ** 2;
    const total = count + piece.length;
    const apart = own - mean;
    mean += (apart * piece.length) / total;
    squares += ownSquares + (apart * apart * count * piece.length) / total;
    count = total;
  }
  return Math.sqrt(squares / count);
}
