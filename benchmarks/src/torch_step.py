# The GPT-2 124M forward and backward pass towards the input embeddings in PyTorch, frozen random weights: one JSON
# object on stdout.
import json, statistics, time
import torch
import torch.nn.functional as F

K, H, LAYERS = 768, 12, 12
torch.manual_seed(0)


def weights(dtype):
    def w(*shape):
        return (torch.randn(*shape) * 0.02).to(dtype)

    return [
        (w(K, 3 * K), w(3 * K), w(K, K), w(K), w(K, 4 * K), w(4 * K), w(4 * K, K), w(K), w(K) + 1, w(K), w(K) + 1, w(K))
        for _ in range(LAYERS)
    ]


def forward(x, layers):
    B, T, _ = x.shape
    for qkv, bq, proj, bp, up, bu, down, bd, g1, b1, g2, b2 in layers:
        q, k, v = (F.layer_norm(x, (K,), g1, b1) @ qkv + bq).split(K, -1)
        q, k, v = (t.view(B, T, H, K // H).transpose(1, 2) for t in (q, k, v))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, K)
        x = x + a @ proj + bp
        x = x + F.gelu(F.layer_norm(x, (K,), g2, b2) @ up + bu, approximate="tanh") @ down + bd
    return x


steps = []
for dtype, name in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
    layers = weights(dtype)
    for T in (128, 256, 1024):
        B = max(1, 512 // T)
        x = (torch.randn(B, T, K) * 0.1).to(dtype).requires_grad_()
        seed = torch.randn(B, T, K).to(dtype)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            torch.autograd.grad(forward(x, layers), x, seed)
            times.append(time.perf_counter() - start)
        steps.append({"sequence": T, "dtype": name, "tokensPerSecond": B * T / statistics.median(times[1:])})
print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(), "steps": steps}))
