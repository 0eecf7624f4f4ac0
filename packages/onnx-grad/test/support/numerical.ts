// Central differences of a scalar output, element by element.
import type { Feeds, Session, Tensor } from "@cllm4rec/onnx-grad";

/**
 * ∂output/∂input by differences: two-point for float64 with a step of 1e-5, four-point (error in step⁴) for float32,
 * whose rounding asks for a wide step. `output` must be a scalar.
 */
export async function numericalGradient(
  session: Session,
  feeds: Feeds,
  input: string,
  output: string,
  elements?: readonly number[],
): Promise<number[]> {
  const tensor = feeds[input]!;
  const data = tensor.data as Float32Array | Float64Array;
  const double = tensor.dtype === "float64";
  const at = async (element: number, offset: number): Promise<number> => {
    const moved = data.slice();
    moved[element] = moved[element]! + offset;
    const changed: Tensor = { ...tensor, data: moved };
    const result = await session.run({ ...feeds, [input]: changed }, { outputs: [output] });
    return Number(result[output]!.data[0]);
  };
  const slopes: number[] = [];
  for (const element of elements ?? data.keys()) {
    if (double) {
      const h = 1e-5;
      slopes.push(((await at(element, h)) - (await at(element, -h))) / (2 * h));
    } else {
      const h = 1 / 32;
      const [far, near] = [
        (await at(element, 2 * h)) - (await at(element, -2 * h)),
        (await at(element, h)) - (await at(element, -h)),
      ];
      slopes.push((8 * near - far) / (12 * h));
    }
  }
  return slopes;
}
