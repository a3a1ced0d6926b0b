// SPDX-License-Identifier: LGPL-2.1-or-later
//! Where memory is not placed: it is said, and warned of.

mod witness;

use std::sync::Mutex;

use numapin::*;
use witness::*;

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn catch(message: &str) {
    WARNINGS.lock().unwrap().push(message.to_string());
}

/// The warnings that an allocation comes with.
fn warnings_of_a_page(handler: fn(&str)) -> Vec<String> {
    WARNINGS.lock().unwrap().clear();
    set_warning_handler(Some(handler));
    let memory = allocate_on_node::<u8>(some_node(), 1).unwrap();
    set_warning_handler(None);
    assert_eq!(Outcome::Unbound, memory.receipt().outcome);
    let warnings = WARNINGS.lock().unwrap().clone();
    warnings
}

#[test]
fn is_not_placed_and_says_so() {
    let _turn = turn("none");
    let mut memory = allocate_on_node::<u8>(some_node(), 3 * PAGE).unwrap();
    let receipt = *memory.receipt();

    assert_eq!((Outcome::Unbound, Reason::Forced), (receipt.outcome, receipt.reason));
    assert_eq!((3 * PAGE, 0), (receipt.bytes, receipt.huge_bytes));
    assert_eq!("default", witness(&memory).policy);
    memory.fill(1);
    // Wherever it is, it is there.
    assert!(locate(&memory[..]).unwrap().iter().all(|page| page.is_ok()));
}

#[test]
fn strictly_it_is_an_error() {
    let _turn = turn("none");
    let error = numapin_alloc::<u8>(some_node(), 1, Flags::STRICT).unwrap_err();

    assert_eq!((EOPNOTSUPP, Reason::Forced), (error.errno(), error.reason()));
}

#[test]
fn warnings_are_handed_over() {
    let _turn = turn("none");
    let warnings = warnings_of_a_page(catch);

    assert_eq!(1, warnings.len());
    assert!(warnings[0].contains("UNBOUND"), "{warnings:?}");
}

#[test]
fn a_panic_of_the_handler_ends_there() {
    let _turn = turn("none");
    let warnings = warnings_of_a_page(|message| {
        catch(message);
        panic!("of the handler");
    });

    assert_eq!(1, warnings.len());
}
