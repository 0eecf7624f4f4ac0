// A model as one ONNX file, with a second file that says how prompts are made for it.
import fs from "node:fs/promises";
import path from "node:path";
import { portableGraph } from "@cllm4rec/backbone";
import { serializeModel } from "@cllm4rec/onnx-grad";
import { IndexRecommender, openPredictor, openTrainedModel, type PredictorOptions } from "@cllm4rec/recommend";
import { UsageError } from "../errors.js";
import { writeWhole } from "../files/whole-file.js";
import { replaceBy } from "./out-file.js";

/**
 * Writes `model.onnx` and `model.json` into the folder: the model alone, without a blend and without added items.
 * @returns the file of the graph and its size
 * @throws UsageError for a model with the user token; Error for an encoder–decoder; GraphError above 2 GiB
 */
export async function writeOnnx(
  directory: string,
  folder: string,
  options: PredictorOptions,
): Promise<{ readonly file: string; readonly bytes: number }> {
  const trained = await openTrainedModel(directory);
  const { recommendation } = trained.serving;
  if (recommendation.userToken)
    throw new UsageError(`${directory}: was trained with the user token, and ONNX files are made of models without it`);
  const { predictor, dispose } = await openPredictor([trained], { ...options, blend: false });
  try {
    const { model } = predictor;
    const { words, users, items, maxPositions } = model.vocabulary;
    const { bytes } = serializeModel(portableGraph(model, trained.tables.collaborative), { embed: true });
    const first = words + users;
    const prompt = Array.from(new IndexRecommender(predictor).prompt({ history: [0] }) as ArrayLike<number>);
    const at = prompt.indexOf(first);
    const described = {
      format: "cllm4rec-onnx",
      version: 1,
      inputs: "input_ids = prefix + [firstItem + row of each item of the history] + suffix; attention_mask = ones",
      outputs: "scores of all items by row; user_embedding, whose inner products with the items' vectors they are",
      ...{ prefix: prompt.slice(0, at), suffix: prompt.slice(at + 1) },
      ...{ firstUser: words, firstItem: first, items, maxLength: recommendation.maxLength ?? maxPositions },
      ids: trained.ids.items,
    };
    const file = path.join(folder, "model.onnx");
    await replaceBy(file, (temporary) => fs.writeFile(temporary, bytes));
    await writeWhole(path.join(folder, "model.json"), `${JSON.stringify(described)}\n`);
    return { file, bytes: bytes.length };
  } finally {
    await dispose();
  }
}
