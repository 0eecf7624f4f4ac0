// Two-sided tail probabilities of Student's t and the standard normal, to about 1e-13 relative (tested against SciPy).
// Own code because no package serves: the common one is right to 1e-7 only, the exact ones bring 200 packages or an
// asynchronous start.

/**
 * P(|T| ≥ |t|) for Student's t with `degrees` > 0 degrees of freedom: I_x(degrees/2, 1/2), x = degrees/(degrees + t²)
 * (DLMF 8.17).
 */
export function studentTwoSided(t: number, degrees: number): number {
  if (Number.isNaN(t)) return Number.NaN;
  const ratio = (t * t) / degrees;
  if (ratio === 0) return 1;
  if (ratio === Number.POSITIVE_INFINITY) return 0;
  const a = degrees / 2;
  // x^a y^½ / B(a, ½), with x = 1/(1 + ratio) and y = ratio/(1 + ratio) from `ratio` itself: 1 − x would lose digits of
  // y near t = 0.
  const x = 1 / (1 + ratio);
  const y = ratio / (1 + ratio);
  const front = (Math.exp(-a * Math.log1p(ratio)) * Math.sqrt(y) * gammaRatio(a)) / Math.sqrt(Math.PI);
  // Each side of the mean has the fraction that converges fast there.
  return x < (a + 1) / (a + 2.5) ? front / betaFraction(a, 0.5, x, y) : 1 - front / betaFraction(0.5, a, y, x);
}

/** P(|Z| ≥ |z|) for a standard normal Z: erfc(|z|/√2). */
export function normalTwoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  if (Number.isNaN(x)) return Number.NaN;
  if (x > 27) return 0; // below the smallest double
  const bell = Math.exp(-x * x);
  if (x < 1.5) {
    // erf(x) = 2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (2n+1)!! (DLMF 7.6.2): only positive terms.
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * bell * sum;
  }
  // erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))) (DLMF 7.9.1), evaluated from the inside.
  let tail = x;
  for (let n = 200; n >= 1; n--) tail = x + n / 2 / tail;
  return bell / Math.sqrt(Math.PI) / tail;
}

/** Γ(a + ½)/Γ(a): by its asymptotic series (DLMF 5.11.13) for large a, and down to small a by the recurrence of Γ. */
function gammaRatio(a: number): number {
  let factor = 1;
  let shifted = a;
  while (shifted < 40) {
    factor *= shifted / (shifted + 0.5);
    shifted += 1;
  }
  const u = 1 / shifted;
  const series =
    1 + u * (-1 / 8 + u * (1 / 128 + u * (5 / 1024 + u * (-21 / 32768 + u * (-399 / 262144 + (u * 869) / 4194304)))));
  return factor * Math.sqrt(shifted) * series;
}

/**
 * F in I_x(a, b) = x^a y^b / (B(a, b) F), y = 1 − x: the continued fraction of Didonato & Morris 1992 (TOMS 708,
 * BFRAC), which takes x and y separately and so keeps its digits where either is near 1. For x up to about a/(a + b);
 * by the modified Lentz algorithm.
 */
function betaFraction(a: number, b: number, x: number, y: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  const shift = a * y - b * x + 1;
  let fraction = away((a * shift) / (a + 1));
  let c = fraction;
  let d = 0;
  // About √a steps are needed near the mean; the bound only guards against input outside the domain.
  for (let n = 1; n < 1_000_000; n++) {
    const back = a + 2 * n - 1;
    const numerator = (((a + n - 1) * (a + b + n - 1)) / back) * ((n * (b - n) * x * x) / back);
    const term = n + (n * (b - n) * x) / back + ((a + n) * (shift + n * (1 + y))) / (back + 2);
    d = 1 / away(term + numerator * d);
    c = away(term + numerator / c);
    fraction *= c * d;
    if (Math.abs(c * d - 1) <= Number.EPSILON) break;
  }
  return fraction;
}
