//! Servers on this machine that say what the real ones say. Each ends with the test that started it.

pub mod cluster;
pub mod cri;
pub mod http;
pub mod kubelet;
pub mod registry;
pub mod tls;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

/// What a server and its test both look at.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("nobody failed while holding it")
    }
}

/// Answers in order; the last is given again and again.
#[derive(Debug, Clone)]
pub struct Script<T>(VecDeque<T>);

impl<T: Clone> Script<T> {
    pub fn new(answers: impl IntoIterator<Item = T>) -> Self {
        Self(answers.into_iter().collect())
    }

    pub fn next(&mut self) -> T {
        match self.0.len() {
            0 => panic!("the script has no answer"),
            1 => self.0[0].clone(),
            _ => self.0.pop_front().expect("one of several"),
        }
    }
}
