//! A capture from beginning to end: which way, which containers, how often, and what came of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use crate::{
    captured::{Captured, Link, Place},
    cri::{self, Runtime},
    error::Error,
    kubernetes::{
        self,
        access::{Access, Cluster, Direct},
        preflight::{self, Check, State},
        target::{self, Target, Wanted},
    },
    local,
    manifest::Operator,
    podman, seal,
    stop::Stop,
};

/// What is to be done.
#[derive(Debug)]
pub struct Request {
    /// How, and of which containers.
    pub way: Way,
    /// Where archives and manifests go.
    pub directory: PathBuf,
    /// Who asks.
    pub operator: Operator,
    /// What to check before.
    pub preflight: Preflight,
    /// Checkpoints one after another; none for one.
    pub schedule: Option<Schedule>,
}

/// A chain of checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Time from one to the next.
    pub every: Duration,
    /// How many.
    pub count: u32,
}

/// A way to a checkpoint.
#[derive(Debug)]
pub enum Way {
    /// Through Kubernetes.
    Kubernetes {
        /// Whom to speak to.
        reach: Reach,
        /// Namespace; that of the context without one.
        namespace: Option<String>,
        /// Which containers.
        wanted: Vec<Wanted>,
        /// How.
        plan: kubernetes::Plan,
    },
    /// Over a runtime's socket.
    Cri {
        /// The socket; a usual one without.
        socket: Option<PathBuf>,
        /// Containers or pods.
        names: Vec<String>,
        /// Whether they are pods.
        is_pod: bool,
        /// Time for one checkpoint.
        timeout: Duration,
    },
    /// Over Podman's socket.
    Podman {
        /// How.
        plan: podman::Plan,
        /// Containers.
        names: Vec<String>,
    },
}

/// Whom to speak to.
#[derive(Debug)]
pub enum Reach {
    /// The API server.
    Cluster(Cluster),
    /// One kubelet.
    Kubelet(Direct),
}

/// What to check before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preflight {
    /// Check, and go on when nothing is missing.
    Check,
    /// Check and do nothing else.
    Only,
    /// Do not check.
    Skip,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A node was checked.
    Checked(String, Vec<Check>),
    /// A checkpoint is sealed, whether its archive came home or not.
    Captured(Box<Captured>),
    /// A container could not be captured.
    Failed(String, Error),
}

/// Does what was asked for, and tells what happens.
///
/// # Errors
/// When it could not even begin: no connection, no such container, something is missing.
pub async fn run(request: &Request, stop: &Stop, tell: &mut dyn FnMut(Event)) -> Result<(), Error> {
    // Nobody wants to learn after a long checkpoint that there is no place for it.
    seal::Incoming::new(&request.directory)?;
    let rounds = request.schedule.map_or(1, |schedule| schedule.count);
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for round in 1..=rounds {
        let begun = tokio::time::Instant::now();
        let preflight = if round == 1 { request.preflight } else { Preflight::Skip };
        let done = one_round(request, preflight, &mut links, stop, tell).await;
        match done {
            // Later rounds may find the container again.
            Err(error) if round > 1 => tell(Event::Failed(format!("round {round}"), error)),
            other => other?,
        }
        if let Some(schedule) = request.schedule.filter(|_| round < rounds) {
            tokio::select! {
                () = stop.requested() => {}
                () = tokio::time::sleep_until(begun + schedule.every) => {}
            }
        }
        if stop.is_requested() {
            break;
        }
    }
    Ok(())
}

async fn one_round(
    request: &Request,
    preflight: Preflight,
    links: &mut BTreeMap<String, Link>,
    stop: &Stop,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Error> {
    let place = |name: &str, links: &BTreeMap<String, Link>| Place {
        directory: &request.directory,
        operator: &request.operator,
        chain: request.schedule.map(|_| links.get(name).cloned()),
    };
    match &request.way {
        Way::Kubernetes { reach, namespace, wanted, plan } => {
            let access = match reach {
                Reach::Cluster(cluster) => Access::cluster(cluster).await?,
                Reach::Kubelet(direct) => Access::kubelet(direct)?,
            };
            let namespace = namespace.as_deref().unwrap_or(&access.namespace);
            let targets = target::find(&access, namespace, wanted).await?;
            if preflight != Preflight::Skip {
                let missing = check(&access, &targets, plan, tell).await;
                if !may_go_on(preflight, &missing)? {
                    return Ok(());
                }
            }
            let places: Vec<Place<'_>> = targets.iter().map(|target| place(&target.name(), links)).collect();
            let results = kubernetes::capture_all(&access, &targets, plan, &places, stop).await;
            for (target, result) in targets.iter().zip(results) {
                finish(target.name(), target.name(), result, links, tell);
            }
        }
        Way::Cri { socket, names, is_pod, timeout } => {
            let mut runtime = Runtime::connect(socket.as_deref()).await?;
            if !check_here(request, &[], preflight, tell)? {
                return Ok(());
            }
            for name in names {
                let containers = runtime.find(name, *is_pod).await?;
                for container in containers {
                    let id = container.id.clone();
                    let result = runtime.capture(&container, *timeout, &place(&id, links), stop).await;
                    finish(id, cri::name(&container), result, links, tell);
                    if stop.is_requested() {
                        return Ok(());
                    }
                }
            }
        }
        Way::Podman { plan, names } => {
            if !check_here(request, &podman::GIVEN, preflight, tell)? {
                return Ok(());
            }
            for name in names {
                let result = podman::capture(plan, name, &place(name, links), stop).await;
                finish(name.clone(), name.clone(), result, links, tell);
                if stop.is_requested() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Tells how a container's capture ended, and what the next of its chain refers to.
fn finish(
    key: String,
    name: String,
    result: Result<Captured, Error>,
    links: &mut BTreeMap<String, Link>,
    tell: &mut dyn FnMut(Event),
) {
    match result {
        Ok(captured) => {
            links.insert(key, captured.link.clone());
            tell(Event::Captured(Box::new(captured)));
        }
        Err(error) => tell(Event::Failed(name, error)),
    }
}

/// Whether to ask for checkpoints, by what was found to be missing.
fn may_go_on(preflight: Preflight, missing: &[String]) -> Result<bool, Error> {
    match preflight {
        Preflight::Only => Ok(false),
        Preflight::Check if !missing.is_empty() => Err(Error::Usage(format!(
            "nothing was asked of the workload (--no-preflight tries all the same): {}",
            missing.join(" ")
        ))),
        Preflight::Check | Preflight::Skip => Ok(true),
    }
}

/// Checks this machine; gives whether to go on.
fn check_here(
    request: &Request,
    given: &[&str],
    preflight: Preflight,
    tell: &mut dyn FnMut(Event),
) -> Result<bool, Error> {
    if preflight == Preflight::Skip {
        return Ok(true);
    }
    let checks = local::check(&request.directory, given);
    let missing = lacking(&checks);
    tell(Event::Checked("this machine".to_owned(), checks));
    may_go_on(preflight, &missing)
}

/// What is missing, with what to do about it.
fn lacking(checks: &[Check]) -> Vec<String> {
    let missing = checks.iter().filter(|check| check.state == State::Missing);
    let sentence = |check: &Check| match &check.fix {
        Some(fix) => format!("{}. {fix}", check.message),
        None => format!("{}.", check.message),
    };
    missing.map(sentence).collect()
}

/// Checks each node once; gives what is missing.
async fn check(
    access: &Access,
    targets: &[Target],
    plan: &kubernetes::Plan,
    tell: &mut dyn FnMut(Event),
) -> Vec<String> {
    let nodes: BTreeSet<&str> = targets.iter().filter_map(|target| target.node.as_deref()).collect();
    let fetch = plan.fetch.as_ref().map(|fetch| fetch.namespace.as_str());
    let mut missing = Vec::new();
    for node in nodes {
        let checks = preflight::check(access, node, fetch).await;
        missing.extend(lacking(&checks));
        if !checks.is_empty() {
            tell(Event::Checked(node.to_owned(), checks));
        }
    }
    missing.dedup();
    missing
}
