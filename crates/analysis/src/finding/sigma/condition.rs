//! Conditions: `selection and not 1 of filter_*`.

/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;

/// A condition over named selections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// A selection.
    Name(String),
    /// How many of those whose names fit must match; `*` ends a pattern, `them` is all.
    Of {
        /// All of them, or any.
        all: bool,
        /// Pattern of names.
        names: String,
    },
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

struct Parser<'t> {
    words: std::iter::Peekable<std::vec::IntoIter<&'t str>>,
}

impl Condition {
    /// Reads a condition.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.contains('|') {
            return Err("conditions with aggregations are not supported".to_owned());
        }
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut parser = Parser { words: words.into_iter().peekable() };
        let condition = parser.any(0)?;
        match parser.words.next() {
            None => Ok(condition),
            Some(word) => Err(format!("the condition is not understood at {word}")),
        }
    }

    /// Whether it holds; `names` are those of all selections.
    pub fn holds(&self, names: &[String], is_true: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Name(name) => is_true(name),
            Self::Of { all, names: pattern } => {
                let mut chosen = names.iter().filter(|name| fits(pattern, name)).peekable();
                if *all {
                    chosen.peek().is_some() && chosen.all(|name| is_true(name))
                } else {
                    chosen.any(|name| is_true(name))
                }
            }
            Self::Not(inner) => !inner.holds(names, is_true),
            Self::And(parts) => parts.iter().all(|part| part.holds(names, is_true)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(names, is_true)),
        }
    }

    /// The names that it mentions.
    pub fn mentioned(&self) -> Vec<&str> {
        match self {
            Self::Name(name) => vec![name],
            Self::Of { .. } => Vec::new(),
            Self::Not(inner) => inner.mentioned(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::mentioned).collect(),
        }
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        // Selections that begin with an underscore are not among "them".
        None if pattern == "them" => !name.starts_with('_'),
        None => pattern == name,
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

impl<'t> Parser<'t> {
    fn any(&mut self, depth: usize) -> Result<Condition, String> {
        let mut parts = vec![self.all(depth)?];
        while self.words.next_if(|word| word.eq_ignore_ascii_case("or")).is_some() {
            parts.push(self.all(depth)?);
        }
        Ok(Condition::Or(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, String> {
        let mut parts = vec![self.one(depth)?];
        while self.words.next_if(|word| word.eq_ignore_ascii_case("and")).is_some() {
            parts.push(self.one(depth)?);
        }
        Ok(Condition::And(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > MAX_DEPTH {
            return Err("the condition is nested too deeply".to_owned());
        }
        let word: &'t str = self.words.next().ok_or("the condition ends too early")?;
        if word == "(" {
            let inner = self.any(depth + 1)?;
            return match self.words.next() {
                Some(")") => Ok(inner),
                _ => Err("a parenthesis is not closed".to_owned()),
            };
        }
        if word.eq_ignore_ascii_case("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        let is_count = matches!(word, "1" | "all" | "any");
        if is_count && self.words.next_if(|next| next.eq_ignore_ascii_case("of")).is_some() {
            let names = self.words.next().ok_or("the condition ends too early")?.to_owned();
            return Ok(Condition::Of { all: word == "all", names });
        }
        match word {
            ")" | "and" | "or" | "of" => Err(format!("the condition is not understood at {word}")),
            name => Ok(Condition::Name(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, true_ones: &[&str]) -> bool {
        let names = ["selection", "sel_a", "sel_b", "filter_x", "_internal"].map(str::to_owned);
        Condition::read(text).unwrap().holds(&names, &|name| true_ones.contains(&name))
    }

    #[test]
    fn words_have_their_usual_order() {
        assert!(holds("selection and not filter_x", &["selection"]));
        assert!(!holds("selection and not filter_x", &["selection", "filter_x"]));
        assert!(holds("sel_a and sel_b or selection", &["selection"]));
        assert!(!holds("sel_a and (sel_b or selection)", &["selection"]));
        assert!(holds("1 of sel_*", &["sel_b"]) && !holds("all of sel_*", &["sel_b"]));
        assert!(holds("all of sel_* and not 1 of filter_*", &["sel_a", "sel_b"]));
        assert!(holds("all of them", &["selection", "sel_a", "sel_b", "filter_x"]));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in ["", "selection and", "(selection", "selection selection", "selection | count() > 5", ")"]
        {
            assert!(Condition::read(text).is_err(), "{text}");
        }
        assert!(Condition::read(&"not ".repeat(100)).is_err());
        assert!(Condition::read(&"(".repeat(100_000)).is_err());
    }
}
