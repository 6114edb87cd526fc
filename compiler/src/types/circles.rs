//! Order and circles of things that name each other, without recursion.

/// Every thing after those it needs, and every circle as the list of its members in the order of the calls.
pub(crate) struct Order {
    pub sorted: Vec<usize>,
    pub circles: Vec<Vec<usize>>,
}

/// Things on a circle stand in `sorted` too, in some fixed order.
pub(crate) fn order(needs: &[Vec<usize>]) -> Order {
    let mut search =
        Search { needs, state: vec![State::New; needs.len()], path: Vec::new(), sorted: Vec::new(), circles: Vec::new() };
    for start in 0..needs.len() {
        search.from(start);
    }
    Order { sorted: search.sorted, circles: search.circles }
}

struct Search<'a> {
    needs: &'a [Vec<usize>],
    state: Vec<State>,
    /// The thing, and how many of its needs were followed.
    path: Vec<(usize, usize)>,
    sorted: Vec<usize>,
    circles: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    /// On the path, at this position.
    Open(usize),
    Done,
}

impl Search<'_> {
    fn from(&mut self, start: usize) {
        if self.state.get(start) == Some(&State::New) {
            self.open(start);
        }
        while let Some(&(thing, followed)) = self.path.last() {
            match self.needs.get(thing).and_then(|needs| needs.get(followed)) {
                Some(&need) => {
                    if let Some(top) = self.path.last_mut() {
                        top.1 += 1;
                    }
                    self.follow(need);
                }
                None => self.close(thing),
            }
        }
    }

    fn follow(&mut self, need: usize) {
        match self.state.get(need) {
            Some(State::New) => self.open(need),
            Some(State::Open(position)) => {
                let circle = self.path.iter().skip(*position).map(|(thing, _)| *thing).collect();
                self.circles.push(circle);
            }
            _ => {}
        }
    }

    fn open(&mut self, thing: usize) {
        if let Some(state) = self.state.get_mut(thing) {
            *state = State::Open(self.path.len());
        }
        self.path.push((thing, 0));
    }

    fn close(&mut self, thing: usize) {
        if let Some(state) = self.state.get_mut(thing) {
            *state = State::Done;
        }
        self.path.pop();
        self.sorted.push(thing);
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn needs_come_first_and_circles_are_named() {
        let found = order(&[vec![1, 2], vec![2], vec![], vec![4], vec![5], vec![3], vec![6]]);
        let position = |thing: usize| found.sorted.iter().position(|&other| other == thing).unwrap();
        assert!(position(2) < position(1) && position(1) < position(0));
        assert_eq!(found.circles, [vec![3, 4, 5], vec![6]]);
    }

    #[test]
    fn a_long_chain_does_not_use_the_stack() {
        let needs: Vec<Vec<usize>> = (0..200_000).map(|n| if n + 1 < 200_000 { vec![n + 1] } else { vec![] }).collect();
        assert_eq!(order(&needs).sorted.len(), 200_000);
    }
}
