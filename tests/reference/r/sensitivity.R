# Answers for test_sensitivity_reference.py. Run from this folder: Rscript sensitivity.R
# Writes ../sensitivity.json. Base R 4.2.2; jsonlite writes.
#
# By other routes than the package: E-values as the root of the bounding factor, tails of
# McNemar by adding up chances, signed rank tails by going through all assignments of sign,
# gammas as roots of the tails.
suppressMessages(library(jsonlite))

# E-values -----------------------------------------------------------------------------------
bound <- function(a, b) a * b / (a + b - 1)
evalue <- function(rr) {
  if (rr < 1) rr <- 1 / rr
  if (rr == 1) return(1)
  uniroot(function(e) bound(e, e) - rr, c(1, 4 * rr + 1), tol = 1e-15)$root
}
from_hr <- function(hr) (1 - .5^sqrt(hr)) / (1 - .5^sqrt(1 / hr))
e_values <- list(
  direct = lapply(c(.03, .25, .5, .82, 1, 1.07, 2, 12), function(r) list(ratio = r, e = evalue(r))),
  hazard = lapply(c(.05, .4, .625, .97, 1.3, 6), function(r) list(ratio = r, rr = from_hr(r), e = evalue(from_hr(r)))),
  odds = lapply(c(.05, .4, .625, .97, 1.3, 6), function(r) list(ratio = r, e = evalue(sqrt(r)))),
  smd = lapply(list(c(.42, .14), c(-.3, .2), c(-.8, .1)), function(x) {
    ends <- exp(.91 * x[1] + c(-1, 1) * 1.78 * x[2])
    list(d = x[1], se = x[2], e = evalue(exp(.91 * x[1])),
         limit = if (ends[1] > 1) evalue(ends[1]) else if (ends[2] < 1) evalue(ends[2]) else 1)
  }),
  percent = lapply(c(82, 40, 5), function(p) list(percent = p, e = evalue(1 - p / 100))))

# McNemar ------------------------------------------------------------------------------------
above <- function(t, n, p) sum(dbinom(t:n, n, p))
mcnemar <- function(t, n, gammas) {
  at <- function(g) above(t, n, g / (1 + g))
  root <- if (at(1) < .05) uniroot(function(g) at(g) - .05, c(1, 1000), tol = 1e-13)$root else NA
  list(favour = t, against = n - t, gamma_at_05 = root, at = lapply(gammas, function(g)
    list(gamma = g, upper = at(g), lower = above(t, n, 1 / (1 + g)))))
}

# Signed rank --------------------------------------------------------------------------------
ranked <- function(d, zeros) {
  if (zeros == "drop") d <- d[d != 0]
  q <- rank(abs(d))
  list(q = q[d != 0], t = sum(q[d > 0]))
}
normal <- function(x, p) pnorm((x$t - p * sum(x$q)) / sqrt(p * (1 - p) * sum(x$q^2)), lower.tail = FALSE)
every <- function(x, p) {   # all 2^n assignments of sign
  signs <- as.matrix(expand.grid(rep(list(0:1), length(x$q))))
  sums <- drop(signs %*% x$q); up <- rowSums(signs); n <- length(x$q)
  sum((p^up * (1 - p)^(n - up))[sums >= x$t - 1e-9])
}
signed <- function(d, zeros, gammas, tail) {
  x <- ranked(d, zeros)
  at <- function(g) tail(x, g / (1 + g))
  root <- if (at(1) < .05) uniroot(function(g) at(g) - .05, c(1, 1000), tol = 1e-12)$root else NA
  list(zeros = zeros, t = x$t, gamma_at_05 = root, at = lapply(gammas, function(g)
    list(gamma = g, upper = at(g), lower = tail(x, 1 / (1 + g)))))
}
i <- 1:14
short <- round(3.2 * sin(1.7 * i) + 2.6)          # ties, zeros, both directions
abuse <- read.csv("../prepost_syn_abuse.csv")
physical <- subset(abuse, type == "physical" & !is.na(pre) & !is.na(post))
fall <- physical$pre - physical$post
grid <- c(1, 1.25, 1.5, 2, 3)

out <- list(R = R.version.string, e_values = e_values,
  mcnemar = list(mcnemar(110, 122, c(1, 2, 3, 6)), mcnemar(9, 9, grid), mcnemar(3, 8, grid),
                 mcnemar(41, 60, grid)),
  short = list(d = short, exact = lapply(c("keep", "drop"), function(z) signed(short, z, grid, every)),
               normal = lapply(c("keep", "drop"), function(z) signed(short, z, grid, normal))),
  physical = lapply(c("keep", "drop"), function(z) signed(fall, z, grid, normal)))
write(toJSON(out, digits = I(17), auto_unbox = TRUE, na = "null", pretty = TRUE), "../sensitivity.json")
