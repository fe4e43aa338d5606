//! How cells are stimulated, and what is read off their answer: pacing, restitution, cables; action potential durations, velocities.
