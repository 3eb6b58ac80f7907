//! A lane is one pattern in one encoding: the unit whose hits are a sequential scan of their own.

use crate::hit::Encoding;
use crate::literal::Literal;
use crate::regex::Expression;

pub(crate) struct Lane {
    pub(crate) pattern: usize,
    pub(crate) encoding: Encoding,
    pub(crate) matcher: Matcher,
}

pub(crate) enum Matcher {
    Literal(Box<Literal>),
    Expression(Box<Expression>),
}

impl Lane {
    pub(crate) fn literal(&self) -> Option<&Literal> {
        match &self.matcher {
            Matcher::Literal(literal) => Some(literal),
            Matcher::Expression(_) => None,
        }
    }

    pub(crate) fn expression(&self) -> Option<&Expression> {
        match &self.matcher {
            Matcher::Literal(_) => None,
            Matcher::Expression(expression) => Some(expression),
        }
    }
}
