//! What a model library is doing at the moment, visible from outside while it does it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where in the library the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    /// Nowhere.
    Outside,
    Loading,
    LoadingLogger,
    CellModelData,
    InitialConditions,
    Stepping,
}

impl Stage {
    /// Continues "the library crashed …".
    pub fn place(self) -> &'static str {
        match self {
            Self::Outside => "after its last call",
            Self::Loading => "while it was loaded",
            Self::LoadingLogger => "while liblogger.so beside it was loaded",
            Self::CellModelData => "in init_cell_model_data",
            Self::InitialConditions => "in set_model_initial_conditions_cpu",
            Self::Stepping => "in a step",
        }
    }

    fn from_number(number: u32) -> Self {
        use Stage::{CellModelData, InitialConditions, Loading, LoadingLogger, Outside, Stepping};
        let all = [Outside, Loading, LoadingLogger, CellModelData, InitialConditions, Stepping];
        all.into_iter().find(|&stage| stage as u32 == number).unwrap_or(Outside)
    }
}

/// Lies in memory that both processes see.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Progress {
    stage: AtomicU32,
    beats: AtomicU64,
}

impl Progress {
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u32, Ordering::Relaxed);
        self.beat();
    }

    /// Says that the library came back from one call of many.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub fn stage(&self) -> Stage {
        Stage::from_number(self.stage.load(Ordering::Relaxed))
    }

    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}
