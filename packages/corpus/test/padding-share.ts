/** The share of a padded rectangle that is padding: 1 − Σ T_b / (B · max T_b). */
export function paddingShare(lengths: readonly number[]): number {
  const sum = lengths.reduce((a, b) => a + b, 0);
  return sum === 0 ? 0 : 1 - sum / (Math.max(...lengths) * lengths.length);
}
