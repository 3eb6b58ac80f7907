//! The frame around every result: what no single fact owns of the JSON contract.
