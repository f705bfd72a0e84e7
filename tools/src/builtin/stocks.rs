//! `track`: a stock's price, as ChatGLM3's tool example has it.

use crate::tool;

/// Symbol and price. Made up, but for the first, which is the one of ChatGLM3's example.
const PRICES: [(&str, u32); 5] = [("10111", 12412), ("10112", 8036), ("10113", 451), ("10114", 27990), ("10115", 1666)];

/// A stock's price, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Price {
    /// The price, without a currency, as in the example.
    pub price: u32,
    /// Says that no market stands behind it.
    pub source: &'static str,
}

/// The table has no such stock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stock `{symbol}` in the demonstration table; it has {}", PRICES.map(|(symbol, _)| symbol).join(", "))]
pub struct UnknownStock {
    /// The symbol asked for.
    pub symbol: String,
}

/// The price of a stock, **from a fixed demonstration table**: no market is asked, and the output's `source` says so.
///
/// The tool of the example in ChatGLM3's documentation, with its Chinese descriptions, and its price of stock 10111.
///
/// # Errors
/// [`UnknownStock`] where the table does not have the symbol.
#[tool(description = "追踪指定股票的实时价格", read_only)]
pub fn track(
    /// 需要追踪的股票代码
    symbol: &str,
) -> Result<Price, UnknownStock> {
    let symbol = symbol.trim();
    let found = PRICES.iter().find(|(known, _)| *known == symbol);
    let (_, price) = found.ok_or_else(|| UnknownStock { symbol: symbol.chars().take(40).collect() })?;
    Ok(Price { price: *price, source: "fixed demonstration table, not a market" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_s_stock_has_the_example_s_price() {
        assert_eq!(track("10111").unwrap().price, 12412);
        assert_eq!(track(" 10111 ").unwrap().price, 12412);
    }

    #[test]
    fn an_unknown_stock_is_an_error_that_names_the_known_ones() {
        let error = track("AAPL").unwrap_err().to_string();
        assert!(error.contains("`AAPL`") && error.contains("10111"), "{error}");
    }
}
