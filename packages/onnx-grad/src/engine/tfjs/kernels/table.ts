// The one table of kernels: ONNX operator → how it is computed.
import { activation } from "./activation.js";
import { arithmetic } from "./arithmetic.js";
import { attentions } from "./attention.js";
import { conversion } from "./conversion.js";
import { convolution } from "./convolution.js";
import { products } from "./einsum.js";
import { indexing } from "./indexing.js";
import type { Kernel, KernelTable } from "./kernel.js";
import { layout } from "./layout.js";
import { logic } from "./logic.js";
import { losses } from "./loss.js";
import { matrix } from "./matrix.js";
import { normalization } from "./normalization.js";
import { random } from "./random.js";
import { recurrent } from "./recurrent.js";
import { reductions } from "./reduction.js";

// Shape is not in it: the interpreter knows every value's shape.
const kernels: KernelTable = {
  ...arithmetic,
  ...logic,
  ...activation,
  ...conversion,
  ...reductions,
  ...matrix,
  ...products,
  ...convolution,
  ...attentions,
  ...layout,
  ...indexing,
  ...normalization,
  ...losses,
  ...recurrent,
  ...random,
};

export const findKernel = (type: string): Kernel | undefined =>
  Object.hasOwn(kernels, type) ? kernels[type] : undefined;
