"""PyTorch's side of sentence-encoder.mjs, on one thread: python bench/sentence_encoder.py MODEL TEXTS [texts]"""

import json
import pathlib
import sys
import time

import sentence_transformers
import torch

model, file, *rest = sys.argv[1:]
content = pathlib.Path(file).read_text()
texts = (
    [f"{e['title']}. {e['description']}" for e in json.loads(content).values()]
    if file.endswith(".json")
    else content.split("\n")
)
texts = texts[: int(rest[0]) if rest else 2000]
torch.set_num_threads(1)
encoder = sentence_transformers.SentenceTransformer(model, device="cpu", model_kwargs={"dtype": torch.float32})
encoder.encode(texts[:64], batch_size=32)
start, cpu = time.perf_counter(), time.process_time()
encoder.encode(texts, batch_size=32, show_progress_bar=False)
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
print(
    f"{len(texts)} texts, sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}, "
    f"1 thread: {len(texts) / seconds:.1f} texts/s, {len(texts) / cpu:.1f} a second of CPU"
)
