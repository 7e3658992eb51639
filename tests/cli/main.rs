//! The program as its users see it: output, files and exit codes.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod accidents;
mod bad_input;
mod common;
mod docs;
mod faces;
mod guessing;
mod init;
mod labels;
mod machine;
mod onnx;
mod pages;
mod photos;
mod ranges;
mod recipe;
mod reviews;
mod run_files;
mod run_folder;
mod splits;
mod storage;
mod tables;
mod tensorboard;
mod terminal;
mod trajectory;
