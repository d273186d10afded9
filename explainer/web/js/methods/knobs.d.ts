// The knobs of the methods, from Python.
// `python -m tests.message_types` writes them.

/** Values of knobs by name. */
interface KnobValues {
  scales: number[];
  scale_weights: number[] | null;
  fuse: 'mean' | 'max';
  k: number;
  beta: number | null;
  normalisation: 'joint' | 'token' | 'answer';
  window: number;
  border: 'mirror' | 'edge' | 'inside';
  p: number;
  rbo: 'normalised' | 'extrapolated' | 'truncated' | 'average';
  beta_range: 'nonnegative' | 'free';
  clip: 'fused' | 'per_scale' | 'none';
  predecessors: 'content' | 'all' | 'answer';
  repeats: 'drop' | 'drop_word' | 'keep';
  state: 'predicting' | 'own';
  base: 'scale1' | 'per_scale' | 'raw' | 'off';
  weights: 'rbo' | 'score' | 'uniform' | 'none';
  resize: 'bilinear' | 'bicubic' | 'nearest';
  factor: number;
  fuse_at: 'tokens' | 'pixels';
  mode: 'corrected' | 'published';
  alpha: number;
  show: 'positive' | 'signed';
}
