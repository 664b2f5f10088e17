# Answers for test_reliability_reference.py. Run from this folder: Rscript reliability.R
# Writes ../reliability.json. R 4.2.2, psych 2.2.9; jsonlite writes.
suppressMessages({library(psych); library(jsonlite)})

# Scores made by formula, so that nothing needs to be shipped.
i <- 0:39
scores <- data.frame(a = (i * 7) %% 11 + i %/% 8, b = (i * 7) %% 11 + (i * 5) %% 4 + i %/% 8,
                     c = (i * 7) %% 9 + (i * 3) %% 5 + 2, d = (i * 7) %% 11 + (i * 11) %% 6)
holes <- scores; holes$a[c(3, 9)] <- NA; holes$c[9] <- NA; holes$d[20] <- NA

feldt <- function(x, level) {
  k <- ncol(x); n <- nrow(x); a <- psych::alpha(x, warnings = FALSE)$total$raw_alpha
  list(n = n, alpha = a, limits = 1 - (1 - a) * qf(c((1 + level) / 2, (1 - level) / 2), n - 1, (n - 1) * (k - 1)))
}
iccs <- function(x, alpha) {
  r <- psych::ICC(x, lmer = FALSE, alpha = alpha)$results
  list(type = r$type, icc = r$ICC, low = r[["lower bound"]], high = r[["upper bound"]])
}
# The four levels of severity of 120 cases, by formula; and a 3 by 3 table of the notes.
grid <- matrix(c(31, 4, 1, 0, 9, 14, 3, 2, 2, 7, 16, 5, 1, 2, 8, 15), 4, byrow = TRUE)
three <- matrix(c(75, 1, 4, 5, 4, 1, 0, 0, 10), 3, byrow = TRUE)
yesno <- matrix(c(40, 9, 6, 45), 2, byrow = TRUE)
# The variance of Fleiss, Cohen and Everitt (1969), by loops over cells.
fce <- function(m, w) {
  p <- m / sum(m); n <- sum(m); r <- rowSums(p); cl <- colSums(p); k <- nrow(m)
  po <- sum(w * p); pe <- sum(w * outer(r, cl)); kap <- (po - pe) / (1 - pe); s <- 0
  for (a in 1:k) for (b in 1:k) {
    wr <- sum(w[a, ] * cl); wc <- sum(w[, b] * r)
    s <- s + p[a, b] * (w[a, b] * (1 - pe) - (wr + wc) * (1 - po))^2
  }
  c(kap, sqrt((s - (po * pe - 2 * pe + po)^2) / (n * (1 - pe)^4)))
}
kappas <- function(m) {
  k <- nrow(m); d <- abs(outer(1:k, 1:k, "-"))
  q <- psych::cohen.kappa(m)
  lin <- psych::cohen.kappa(m, w = 1 - d / (k - 1))
  list(counts = m, n = sum(m), unweighted = q$kappa, quadratic = q$weighted.kappa,
       linear = lin$weighted.kappa,
       psych_se = c(unweighted = sqrt(q$var.kappa), linear = sqrt(lin$var.weighted),
                    quadratic = sqrt(q$var.weighted)),
       fce = list(unweighted = fce(m, diag(k)), linear = fce(m, 1 - d / (k - 1)),
                  quadratic = fce(m, 1 - d^2 / (k - 1)^2)))
}
out <- list(
  made_by = paste(R.version.string, "psych", packageVersion("psych")),
  scores = scores,
  alpha = list(whole = feldt(scores, .95), whole_80 = feldt(scores, .8),
               complete = feldt(na.omit(holes), .95)),
  icc = list(all = iccs(scores, .05), all_90 = iccs(scores, .1), pair = iccs(scores[, 1:2], .05)),
  kappa = list(grid = kappas(grid), three = kappas(three), yesno = kappas(yesno)))
write(toJSON(out, auto_unbox = TRUE, digits = 15, pretty = TRUE), "../reliability.json")
