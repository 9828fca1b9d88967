//! Messages that are not wanted at the moment.

use std::collections::VecDeque;

use crate::news::News;

/// What has come on an association whose messages are not wanted at the moment.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    news: VecDeque<News>,
    octets: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, news: News) {
        if let News::Message { octets, .. } = &news {
            self.octets += octets.len();
        }
        self.news.push_back(news);
    }

    pub(super) fn pop(&mut self) -> Option<News> {
        let news = self.news.pop_front()?;
        if let News::Message { octets, .. } = &news {
            self.octets -= octets.len();
        }
        Some(news)
    }

    /// How many octets of messages wait.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn is_empty(&self) -> bool {
        self.news.is_empty()
    }
}
