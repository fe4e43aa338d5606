//! `emucell search`: many trainings, one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, ErrorKind, Result};
use crate::search::{self, Ending, Event, Settings, Share, Table, Trial, Work};

/// Train many networks that differ in architecture, seed or any other key of a recipe.
///
/// RECIPE is a recipe with a section [search], as in experiments/search_fhn_c.toml. Run the same command again to go on
/// with a search that was interrupted, or that has more to vary now; what is finished is not repeated. Started with
/// mpirun, the ranks share the trials.
#[derive(Debug, clap::Args)]
pub struct Search {
    /// Recipe with a section [search]
    recipe: PathBuf,
    /// Folder for table.csv, table.json, search.html, the picture, and a folder with a surrogate for each trial
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    at_once: AtOnce,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// Only check the recipes of all trials, and list them
    #[arg(long)]
    dry_run: bool,
}

/// How many trials run side by side, and where.
#[derive(Debug, clap::Args)]
pub struct AtOnce {
    /// Trials at once, each with one thread; one a core if not given, one a rank under mpirun, one a GPU
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Where to compute: cpu, cuda (all GPUs in turn) or cuda:1
    #[arg(long, default_value = "cpu")]
    device: String,
}

impl Search {
    pub fn run(self) -> Result<()> {
        let plan = search::Search::load(&self.recipe)?;
        if self.dry_run {
            for (i, trial) in plan.trials.iter().enumerate() {
                println!("{:4}  {}", i + 1, describe(trial));
            }
            return Ok(());
        }
        let name = self.recipe.file_stem().unwrap_or_default().to_string_lossy();
        let mut share = Share::start()?;
        let table = run_all(&name, &plan, &self.out, &self.at_once, &mut share)?;
        // Other ranks have no table.
        let Some(table) = table else { return Ok(()) };
        match self.json {
            true => println!("{}", table.json()),
            false => println!("{table}\nwritten to {}", self.out.join("search.html").display()),
        }
        Ok(())
    }
}

/// Runs all trials of `plan`, measures speeds and writes the table; none on ranks that have no table to write.
pub fn run_all(
    name: &str,
    plan: &search::Search,
    folder: &Path,
    at_once: &AtOnce,
    share: &mut Share,
) -> Result<Option<Table>> {
    let done = run_share(name, plan, folder, at_once, share);
    if let Err(error) = &done
        && error.kind() != ErrorKind::Interrupted
        && share.n_ranks() > 1
    {
        // The other ranks would wait for this one for ever.
        eprintln!("error: {error}");
        share.abort();
    }
    done
}

fn run_share(
    name: &str,
    plan: &search::Search,
    folder: &Path,
    at_once: &AtOnce,
    share: &mut Share,
) -> Result<Option<Table>> {
    let program = std::env::current_exe().map_err(|e| Error::io("find", Path::new("/proc/self/exe"), e))?;
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, e))?;
    let lock = match share.rank() {
        0 => Some(lock(folder)?),
        _ => None,
    };
    let jobs = at_once.jobs(share)?.min(plan.trials.len());
    let devices = at_once.devices(share, jobs);
    let interrupt: Arc<AtomicBool> = super::train::interrupt_flag()?;
    if share.rank() == 0 {
        let ranks =
            if share.n_ranks() > 1 { format!(" on {} ranks", share.n_ranks()) } else { String::new() };
        eprintln!("{} trials, {jobs} at once{ranks}", plan.trials.len());
    }
    let settings = Settings {
        program: &program,
        folder,
        source: &plan.source,
        jobs,
        devices: &devices,
        interrupt: &interrupt,
    };
    let done = search::run(&plan.trials, &settings, share, &mut |event| report(plan, event));
    if share.rank() > 0 {
        return done.map(|()| None);
    }
    if done.is_ok() {
        eprintln!("measuring speeds");
        search::measure(&plan.trials, folder)?;
    }
    // An interrupted search shows what it has.
    let table = Table::gather(&plan.keys, &plan.trials, folder)?;
    table.write(name, folder)?;
    drop(lock);
    done.map(|()| Some(table))
}

impl AtOnce {
    /// Trials at once in this process.
    pub fn jobs(&self, share: &Share) -> Result<usize> {
        if self.jobs == Some(0) {
            return Err(Error::invalid("0 trials at once").at("--jobs").remedy("use at least 1"));
        }
        super::train::device(&self.device)?;
        let default = match (share.n_ranks(), self.device.as_str()) {
            (1, "cuda") => gpus(),
            (1, "cpu") => std::thread::available_parallelism().map_or(1, usize::from),
            _ => 1,
        };
        Ok(self.jobs.unwrap_or(default).max(1))
    }

    /// The devices that the trials of this process take in turn.
    fn devices(&self, share: &Share, jobs: usize) -> Vec<String> {
        match self.device.as_str() {
            // Ranks of one machine begin with different GPUs.
            "cuda" => {
                (0..jobs).map(|i| format!("cuda:{}", (share.local_rank() * jobs + i) % gpus())).collect()
            }
            other => vec![other.to_owned()],
        }
    }
}

fn gpus() -> usize {
    tch::Cuda::device_count().max(1) as usize
}

/// Keeps a second search out of the folder until it is dropped.
fn lock(folder: &Path) -> Result<std::fs::File> {
    let path = folder.join("lock");
    let file = std::fs::File::create(&path).map_err(|e| Error::io("write", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::invalid("another search is at work here")
            .in_file(folder)
            .remedy("wait for it, or use another folder")),
        // File systems without locks are used at the user's own care.
        Err(std::fs::TryLockError::Error(_)) => Ok(file),
    }
}

fn describe(trial: &Trial) -> String {
    let settings = trial.settings.iter().map(|(key, value)| format!("{key} = {value}"));
    settings.chain([format!("seed = {}", trial.seed)]).collect::<Vec<_>>().join("  ")
}

fn report(plan: &search::Search, event: Event) {
    let line = |i: usize, what: String| {
        let (trial, n) = (&plan.trials[i], plan.trials.len());
        eprintln!("{:>4} of {n}  {}  {what}", i + 1, describe(trial));
    };
    match event {
        Event::Kept(i, ending) => line(i, format!("done before: {}", in_words(ending))),
        Event::Started(i) => line(i, "begins".to_owned()),
        Event::Ended(i, ending) => line(i, in_words(ending)),
    }
}

fn in_words(ending: &Ending) -> String {
    match ending {
        Ending::Trained(a) => match a.mean_absolute {
            Some(error) => format!("mean absolute error {error:.2e}, {:.0} s", a.seconds),
            None => format!("validation {:.2e}, {:.0} s", a.validation.unwrap_or(f64::NAN), a.seconds),
        },
        Ending::Failed { reason } => format!("failed: {reason}"),
        Ending::Crashed { reason } => format!("crashed: {reason}"),
    }
}

/// The process of a trial; a search starts it itself.
#[derive(Debug, clap::Args)]
pub struct SearchTrial {
    folder: PathBuf,
    #[arg(long)]
    source: PathBuf,
    #[arg(long)]
    device: String,
}

impl SearchTrial {
    pub fn run(self) -> Result<()> {
        let device = super::train::device(&self.device)?;
        tch::set_num_threads(1);
        let interrupt = super::train::interrupt_flag()?;
        search::work(Work { folder: self.folder, source: self.source, device, interrupt })
    }
}
