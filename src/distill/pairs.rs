//! Steps that networks learn from: visited cells and others beside them, with what the model makes of them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use super::ask::Asker;
use super::checkpoint::Kept;
use crate::error::{Error, Result};
use crate::harvest::Visited;

/// Most cells kept; of more, a random part.
const MOST: usize = 200_000;
/// How far beside a visited cell others are, in parts of the domain.
const BESIDE: [f64; 2] = [0.003, 0.03];

/// Cells before and after a step.
pub struct Pairs {
    domain: Vec<[f64; 2]>,
    /// Cell after cell.
    pub cells: Vec<f64>,
    /// One number a cell.
    pub stimulus: Vec<f64>,
    /// Cell after cell.
    pub next: Vec<f64>,
}

impl Pairs {
    /// None yet.
    pub fn new(domain: &[[f64; 2]]) -> Self {
        Self { domain: domain.to_vec(), cells: Vec::new(), stimulus: Vec::new(), next: Vec::new() }
    }

    /// Number of states of a cell.
    pub fn n_states(&self) -> usize {
        self.domain.len()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.stimulus.len()
    }

    /// What state `state` of each cell gains.
    pub fn changes(&self, state: usize) -> Vec<f64> {
        let column = |numbers: &[f64]| -> Vec<f64> {
            numbers.iter().skip(state).step_by(self.n_states()).copied().collect()
        };
        column(&self.next).iter().zip(column(&self.cells)).map(|(next, now)| next - now).collect()
    }

    /// Adds visited cells and others beside them, under the stimulus that the visited ones were under, or under none.
    pub fn add(
        &mut self,
        asker: &mut Asker,
        visited: &Visited,
        stimulated: bool,
        random: &mut ChaCha8Rng,
    ) -> Result<()> {
        let n = visited.n_states;
        let (mut cells, mut stimulus) = (Vec::new(), Vec::new());
        for i in 0..visited.len() {
            let cell = visited.cell(i);
            if cell.iter().zip(&self.domain).all(|(x, d)| (d[0]..=d[1]).contains(x)) {
                cells.extend_from_slice(cell);
                for amount in BESIDE {
                    cells.extend(self.beside(cell, amount, random));
                }
                let of_cell = if stimulated { visited.stimulus[i] } else { 0.0 };
                stimulus.extend([of_cell; 1 + BESIDE.len()]);
            }
        }
        let next = asker.next(&cells, &stimulus)?;
        for ((cell, next), stimulus) in cells.chunks(n).zip(next.chunks(n)).zip(stimulus) {
            if next.iter().all(|x| x.is_finite()) {
                self.cells.extend_from_slice(cell);
                self.next.extend_from_slice(next);
                self.stimulus.push(stimulus);
            }
        }
        while self.len() > MOST {
            let last = self.len() - 1;
            let gone = random.next_u64() as usize % (last + 1);
            for list in [&mut self.cells, &mut self.next] {
                list.copy_within(last * n..(last + 1) * n, gone * n);
                list.truncate(last * n);
            }
            self.stimulus.swap_remove(gone);
        }
        match self.cells.is_empty() {
            true => Err(Error::numeric("no visited state has a finite next one")),
            false => Ok(()),
        }
    }

    /// A cell moved by up to `amount` of each range; positive states by a factor.
    fn beside(&self, cell: &[f64], amount: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
        let mut moved = Vec::with_capacity(cell.len());
        for (x, [low, high]) in cell.iter().zip(&self.domain) {
            let by = amount * (2.0 * (f64::from(random.next_u32()) / f64::from(u32::MAX)) - 1.0);
            let new = match *low > 0.0 {
                true => x * (by * (high / low).ln()).exp(),
                false => x + by * (high - low),
            };
            moved.push(new.clamp(*low, *high));
        }
        moved
    }

    /// The numbers of `n` cells, drawn one by one.
    pub fn batch(&self, n: usize, random: &mut ChaCha8Rng) -> Vec<i64> {
        (0..n).map(|_| (random.next_u64() % self.len() as u64) as i64).collect()
    }

    /// Keeps the cells in a checkpoint.
    pub fn keep(&self, kept: &mut Kept) {
        kept.put("cells", &self.cells);
        kept.put("stimulus", &self.stimulus);
        kept.put("next", &self.next);
    }

    /// Takes them back.
    ///
    /// # Errors
    /// Cells of another model.
    pub fn take_back(&mut self, kept: &Kept) -> Result<()> {
        let (cells, stimulus, next) =
            (kept.numbers("cells")?, kept.numbers("stimulus")?, kept.numbers("next")?);
        if cells.len() != stimulus.len() * self.n_states() || next.len() != cells.len() || cells.is_empty() {
            return Err(Error::format("cells of another model in the checkpoint"));
        }
        (self.cells, self.stimulus, self.next) = (cells.to_vec(), stimulus.to_vec(), next.to_vec());
        Ok(())
    }
}
