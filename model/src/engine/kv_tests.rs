use std::collections::{HashMap, HashSet};

use super::*;

/// A cache that follows llama.cpp's rules: a cell has a position and belongs to sequences.
#[derive(Default)]
struct Cells {
    cells: Vec<(u32, HashSet<u32>)>,
    partial: bool,
}

impl Cells {
    fn used(&self) -> usize {
        self.cells.iter().filter(|(_, owners)| !owners.is_empty()).count()
    }

    fn add(&mut self, sequence: u32, position: usize) {
        self.cells.push((position as u32, HashSet::from([sequence])));
    }
}

impl KvMemory for Cells {
    fn remove_from(&mut self, sequence: u32, from: u32) -> bool {
        if self.partial {
            for (position, owners) in &mut self.cells {
                if *position >= from {
                    owners.remove(&sequence);
                }
            }
        }
        self.partial
    }

    fn clear(&mut self, sequence: u32) {
        for (_, owners) in &mut self.cells {
            owners.remove(&sequence);
        }
    }

    fn copy(&mut self, source: u32, target: u32, length: u32) {
        for (position, owners) in &mut self.cells {
            if *position < length && owners.contains(&source) {
                owners.insert(target);
            }
        }
    }
}

struct Bench {
    ledger: KvLedger,
    memory: Cells,
}

impl Bench {
    fn new(sequences: u32, cells: u32) -> Self {
        Self { ledger: KvLedger::new(sequences, cells, true), memory: Cells { partial: true, ..Cells::default() } }
    }

    /// Runs a generation over `tokens` and gives what was reused.
    fn run(&mut self, tokens: &[u32]) -> u32 {
        let claim = self.start(tokens);
        self.ledger.release(claim.slot);
        claim.reused
    }

    fn start(&mut self, tokens: &[u32]) -> Claim {
        let claim = self.ledger.claim(tokens, Weights::BASE, &mut self.memory).unwrap();
        for (position, &token) in tokens.iter().enumerate().skip(claim.reused as usize) {
            while self.ledger.free_cells() == 0 {
                assert!(self.ledger.evict(&mut self.memory));
            }
            assert!(self.ledger.push(claim.slot, token));
            self.memory.add(claim.slot, position);
        }
        claim
    }

    fn check(&self, cells: usize) {
        assert_eq!(self.memory.used() + self.ledger.free_cells(), cells);
    }
}

#[test]
fn the_next_turn_takes_over_its_own_kv() {
    let mut bench = Bench::new(4, 100);
    assert_eq!(bench.run(&[1, 2, 3, 4]), 0);
    assert_eq!(bench.run(&[1, 2, 3, 4, 5, 6]), 4);
    assert_eq!(bench.memory.used(), 6);
    bench.check(100);
}

#[test]
fn the_last_token_is_always_computed() {
    let mut bench = Bench::new(2, 100);
    bench.run(&[1, 2, 3]);
    assert_eq!(bench.run(&[1, 2, 3]), 2);
    assert_eq!(bench.run(&[1]), 0);
    bench.check(100);
}

#[test]
fn a_second_conversation_shares_the_system_prompt() {
    let mut bench = Bench::new(4, 100);
    bench.run(&[1, 2, 3, 4, 10, 11, 12]);
    // Copied, not taken: the first conversation keeps its turns.
    assert_eq!(bench.run(&[1, 2, 3, 4, 20, 21]), 4);
    assert_eq!(bench.memory.used(), 7 + 2);
    assert_eq!(bench.run(&[1, 2, 3, 4, 10, 11, 12, 13]), 7);
    bench.check(100);
}

#[test]
fn a_running_generation_shares_too() {
    let mut bench = Bench::new(2, 100);
    let first = bench.start(&[1, 2, 3, 4]);
    let second = bench.start(&[1, 2, 3, 9]);
    assert_eq!(second.reused, 3);
    assert_ne!(first.slot, second.slot);
    assert!(bench.ledger.claim(&[5], Weights::BASE, &mut bench.memory).is_none());
    bench.ledger.release(first.slot);
    assert!(bench.ledger.evict(&mut bench.memory));
    // The three shared cells are still held by the second.
    assert_eq!(bench.memory.used(), 4);
    bench.check(100);
}

#[test]
fn the_oldest_goes_first() {
    let mut bench = Bench::new(2, 100);
    bench.run(&[1, 1, 1]);
    bench.run(&[2, 2, 2]);
    bench.run(&[3, 3, 3]);
    assert_eq!(bench.run(&[2, 2, 2, 2]), 3);
    assert_eq!(bench.run(&[1, 1, 1, 1]), 0);
    bench.check(100);
}

#[test]
fn a_cache_that_cannot_cut_starts_over() {
    let mut bench = Bench::new(2, 100);
    bench.memory.partial = false;
    bench.ledger.can_share = false;
    bench.run(&[1, 2, 3, 4]);
    assert_eq!(bench.run(&[1, 2, 3, 4, 5]), 4);
    assert_eq!(bench.run(&[1, 2, 9, 9]), 0);
    bench.check(100);
}

#[test]
fn cells_are_never_lost() {
    const CELLS: usize = 60;
    let mut bench = Bench::new(3, CELLS as u32);
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut expected: HashMap<u32, Vec<u32>> = HashMap::new();
    for _ in 0..3000 {
        // Few heads and few tokens, so that prefixes are often shared.
        let length = 1 + random(30) as usize;
        let tokens: Vec<u32> = (0..length).map(|n| if n < 6 { 0 } else { random(2) as u32 }).collect();
        let claim = bench.start(&tokens);
        if let Some(before) = expected.get(&claim.slot) {
            assert!(claim.reused as usize <= before.len().max(30));
        }
        bench.ledger.release(claim.slot);
        assert_eq!(bench.ledger.slots[claim.slot as usize].tokens, tokens);
        expected.insert(claim.slot, tokens);
        bench.check(CELLS);
    }
}

#[test]
fn what_other_weights_computed_is_of_no_use() {
    let mut bench = Bench::new(3, 32);
    let [_, adapted, _] = crate::engine::adapters::tests::some();
    assert_eq!(bench.run(&[1, 2, 3, 4]), 0);
    let claim = bench.ledger.claim(&[1, 2, 3, 4, 5], adapted, &mut bench.memory).unwrap();
    assert_eq!(claim.reused, 0);
    for token in [1, 2, 3, 4, 5] {
        bench.ledger.push(claim.slot, token);
    }
    // A running one is no source for other weights, and one for its own.
    assert_eq!(bench.ledger.room_beside_busy(&[1, 2, 3, 4, 9], Weights::BASE).1, 0);
    assert_eq!(bench.ledger.room_beside_busy(&[1, 2, 3, 4, 9], adapted).1, 4);
    bench.ledger.release(claim.slot);
    let found = |bench: &mut Bench, weights| {
        let claim = bench.ledger.claim(&[1, 2, 3, 4, 9], weights, &mut bench.memory).unwrap();
        bench.ledger.release(claim.slot);
        claim.reused
    };
    assert_eq!(found(&mut bench, Weights::BASE), 4);
    assert_eq!(found(&mut bench, adapted), 4);
}
