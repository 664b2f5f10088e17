# Answers that tests/reference/test_prepost_reference.py is held to, on cases of our own.
# Run from this folder: Rscript prepost.R. Needs geepack and sandwich besides base R.
# Score limits come from numerical maximum likelihood under the constraint, not from the
# closed forms that the package uses.

suppressMessages({library(geepack); library(sandwich)})
options(digits = 15)
set.seed(20261121)
answers <- data.frame()
say <- function(case, quantity, value)
  answers <<- rbind(answers, data.frame(case = case, quantity = quantity,
                                        value = trimws(formatC(value, digits = 15, format = "g"))))
log0 <- function(count, p) ifelse(count == 0, 0, count * log(pmax(p, 1e-300)))
root <- function(f, low, high) uniroot(f, c(low, high), tol = 1e-13, maxiter = 1e4)$root

# Paired limits: rows of a table are both, before only, after only, neither.
tango <- function(x, z) {
  n <- sum(x); b <- x[3]; c <- x[2]; estimate <- (b - c) / n
  score <- function(delta) {
    lik <- function(q) log0(c, q) + log0(b, q + delta) + log0(x[1] + x[4], 1 - 2 * q - delta)
    q <- optimize(lik, c(max(0, -delta), (1 - delta) / 2), maximum = TRUE, tol = 1e-12)$maximum
    (b - c - n * delta) / sqrt(n * (2 * q + delta * (1 - delta)))
  }
  c(root(function(d) score(d) - z, -1 + 1e-9, estimate - 1e-9),
    root(function(d) score(d) + z, estimate + 1e-9, 1 - 1e-9))
}
tang <- function(x, z) {
  n <- sum(x); a <- x[1]; b <- x[3]; c <- x[2]; d <- x[4]; estimate <- (a + b) / (a + c)
  score <- function(phi) {
    # p(before) = m, p(after) = phi * m; both = a share of the smaller margin
    lik <- function(par) {
      m <- par[1]; both <- par[2]
      p <- c(both, m - both, phi * m - both, 1 - m - phi * m + both)
      if (any(p < 0)) return(-1e10)
      sum(log0(x, p))
    }
    best <- function(m) {
      low <- max(0, m + phi * m - 1); high <- min(m, phi * m)
      o <- optimize(function(both) lik(c(m, both)), c(low, high), maximum = TRUE, tol = 1e-13)
      o
    }
    m <- optimize(function(m) best(m)$objective, c(1e-9, min(1, 1 / phi) - 1e-9), maximum = TRUE,
                  tol = 1e-13)$maximum
    both <- best(m)$maximum
    ((a + b) - phi * (a + c)) / sqrt(n * (phi * m + phi^2 * m - 2 * phi * both))
  }
  c(if (a + b == 0) 0 else root(function(p) score(p) - z, 1e-4, estimate * (1 - 1e-6)),
    root(function(p) score(p) + z, estimate * (1 + 1e-6) + 1e-4, 50))
}
midp <- function(b, c) {
  if (b + c == 0) return(1)
  p <- binom.test(min(b, c), b + c)$p.value
  if (b == c) 1 - dbinom(b, b + c, .5) / 2 else p - dbinom(min(b, c), b + c, .5)
}
z <- qnorm(.975)
pairs <- list(drop = c(31, 44, 9, 16), few = c(3, 5, 1, 20), rise = c(12, 4, 15, 40),
              none_after = c(0, 11, 0, 14), same = c(9, 6, 6, 30), large = c(210, 640, 95, 1500))
for (name in names(pairs)) {
  x <- pairs[[name]]; n <- sum(x)
  for (i in 1:4) say(name, c("both", "before_only", "after_only", "neither")[i], x[i])
  t <- tango(x, z); say(name, "tango_low", t[1]); say(name, "tango_high", t[2])
  r <- tang(x, z); say(name, "tang_low", r[1]); say(name, "tang_high", r[2])
  say(name, "mid_p", midp(x[3], x[2]))
  say(name, "asymptotic_p", mcnemar.test(matrix(x[c(1, 3, 2, 4)], 2), correct = FALSE)$p.value)
  w <- prop.test(x[1] + x[2], n, correct = FALSE)$conf.int
  say(name, "wilson_before_low", w[1]); say(name, "wilson_before_high", w[2])
  e <- binom.test(x[1] + x[2], n)$conf.int
  say(name, "exact_before_low", e[1]); say(name, "exact_before_high", e[2])
}

# Independent proportions by constrained maximum likelihood, with N/(N - 1).
mn <- function(x1, n1, x0, n0, ratio) {
  score <- function(at) {
    link <- if (ratio) function(p0) at * p0 else function(p0) p0 + at
    range <- if (ratio) c(0, min(1, 1 / at)) else c(max(0, -at), min(1, 1 - at))
    lik <- function(p0) log0(x1, link(p0)) + log0(n1 - x1, 1 - link(p0)) +
      log0(x0, p0) + log0(n0 - x0, 1 - p0)
    p0 <- optimize(lik, range, maximum = TRUE, tol = 1e-13)$maximum; p1 <- link(p0)
    scale <- if (ratio) at else 1
    contrast <- if (ratio) x1 / n1 - at * x0 / n0 else x1 / n1 - x0 / n0 - at
    n <- n1 + n0
    contrast / sqrt((p1 * (1 - p1) / n1 + scale^2 * p0 * (1 - p0) / n0) * n / (n - 1))
  }
  at <- if (ratio) (x1 / n1) / (x0 / n0) else x1 / n1 - x0 / n0
  if (ratio) c(root(function(v) score(v) - z, at / 50, at * (1 - 1e-6)),
               root(function(v) score(v) + z, at * (1 + 1e-6), at * 50))
  else c(root(function(v) score(v) - z, -1 + 1e-9, at - 1e-9),
         root(function(v) score(v) + z, at + 1e-9, 1 - 1e-9))
}
arms <- list(arms_small = c(9, 41, 17, 39), arms_large = c(120, 506, 150, 410))
for (name in names(arms)) {
  x <- arms[[name]]
  for (i in 1:4) say(name, c("x1", "n1", "x0", "n0")[i], x[i])
  d <- mn(x[1], x[2], x[3], x[4], FALSE); say(name, "mn_difference_low", d[1])
  say(name, "mn_difference_high", d[2])
  r <- mn(x[1], x[2], x[3], x[4], TRUE); say(name, "mn_ratio_low", r[1])
  say(name, "mn_ratio_high", r[2])
}

# Severity: Stuart-Maxwell is the Cochran-Mantel-Haenszel test with a stratum a person.
people <- 90
before <- sample(0:3, people, TRUE, c(.1, .2, .3, .4))
after <- pmax(0, before - rbinom(people, 2, .4) + rbinom(people, 1, .15)); after <- pmin(after, 3)
long <- data.frame(id = factor(rep(1:people, 2)), time = factor(rep(0:1, each = people)),
                   level = factor(c(before, after)))
cmh <- mantelhaen.test(table(long$time, long$level, long$id))
say("grid", "stuart_maxwell", cmh$statistic); say("grid", "stuart_maxwell_p", cmh$p.value)
moves <- sapply(0:2, function(l) (before == l) - (after == l))
say("grid", "bhapkar", people * colMeans(moves) %*%
      solve(crossprod(scale(moves, scale = FALSE)) / people, colMeans(moves)))
say("grid", "improved", sum(after < before)); say("grid", "worsened", sum(after > before))
say("grid", "sign_mid_p", midp(sum(after > before), sum(after < before)))
for (i in 1:2) {
  x <- c(sum(after < before), sum(after > before))[i]
  zz <- qnorm(1 - .05 / 6); mid <- (x + zz^2 / 2) / (people + zz^2)
  reach <- zz * sqrt(x * (people - x) / people + zz^2 / 4) / (people + zz^2)
  name <- c("improved", "worsened")[i]
  say("grid", paste0(name, "_low"), mid - reach); say("grid", paste0(name, "_high"), mid + reach)
}

# Clusters: dyads within perpetrators, and repeated rows for GEE.
G <- 45
size <- sample(1:4, G, TRUE)
person <- rep(sprintf("P%02d", 1:G), size)
u <- rep(rnorm(G), size)
one <- as.integer(rnorm(length(u)) + 1.2 * u > -.4)
two <- as.integer(rnorm(length(u)) + 1.2 * u > .7)
g <- as.integer(factor(person)); n <- length(g)
deff <- function(res, in_domain = rep(TRUE, n)) {
  res <- res[in_domain]; cl <- g[in_domain]
  # variance of a mean of zero: sandwich's cluster-robust over the one of independent rows
  fit <- lm(res ~ 1)
  k <- length(unique(cl)); m <- length(res)
  robust <- vcovCL(fit, cluster = cl, type = "HC0", cadjust = TRUE)[1, 1]
  robust / (vcovHC(fit, type = "HC0")[1, 1] * m / (m - 1))
}
x <- c(sum(one & two), sum(one & !two), sum(!one & two), sum(!one & !two))
# t takes effective clusters: as many as equal ones would say as much.
effective <- function(cl) { m <- table(cl); sum(m)^2 / sum(m^2) }
df <- effective(g) - 1
say("clusters", "df", df)
t <- qt(.975, df)
d <- deff(two - one - mean(two - one)); r <- deff(two - sum(two) / sum(one) * one)
say("clusters", "deff_risk_difference", d); say("clusters", "deff_risk_ratio", r)
say("clusters", "deff_prevalence_before", deff(one - mean(one)))
stop <- deff((1 - two) - mean((1 - two)[one == 1]), one == 1)
say("clusters", "deff_cessation", stop)
i <- tango(x / d, t); say("clusters", "tango_low", i[1]); say("clusters", "tango_high", i[2])
i <- tang(x / r, t); say("clusters", "tang_low", i[1]); say("clusters", "tang_high", i[2])
say("clusters", "p_risk_difference",
    2 * pt(-abs(x[3] - x[2]) / sqrt((x[3] + x[2]) * d), df))
df_stop <- effective(g[one == 1]) - 1; say("clusters", "df_cessation", df_stop); nn <- sum(one); xx <- x[2] / stop; nd <- nn / stop
t2 <- qt(.975, df_stop); mid <- (xx + t2^2 / 2) / (nd + t2^2)
reach <- t2 * sqrt(xx * (nd - xx) / nd + t2^2 / 4) / (nd + t2^2)
say("clusters", "cessation_low", mid - reach); say("clusters", "cessation_high", mid + reach)

long <- data.frame(person = rep(person, 2), dyad = rep(seq_along(person), 2),
                   after = rep(0:1, each = n), used = c(one, two))
arm <- rep(sample(c("programme", "comparison"), G, TRUE), size)
long$arm <- rep(arm, 2)
write.csv(long, "../prepost_clusters.csv", row.names = FALSE, quote = FALSE)
ord <- order(long$person); long <- long[ord, ]; long$g <- as.integer(factor(long$person))
long$treated <- as.integer(long$arm == "programme")
mancl_derouen <- function(fit, data, alpha) {
  X <- model.matrix(fit); mu <- fitted(fit); fam <- family(fit)
  s <- fam$mu.eta(fam$linkfun(mu)); v <- fam$variance(mu)
  parts <- lapply(split(seq_along(mu), data$g), function(i) {
    R <- matrix(alpha, length(i), length(i)); diag(R) <- 1
    D <- X[i, , drop = FALSE] * s[i]
    list(D = D, W = solve(sqrt(v[i]) %o% sqrt(v[i]) * R), e = data$used[i] - mu[i])
  })
  B <- solve(Reduce(`+`, lapply(parts, function(p) t(p$D) %*% p$W %*% p$D)))
  M <- Reduce(`+`, lapply(parts, function(p) {
    H <- p$D %*% B %*% t(p$D) %*% p$W
    u <- t(p$D) %*% p$W %*% solve(diag(length(p$e)) - H, p$e); u %*% t(u)
  }))
  sqrt(diag(B %*% M %*% B))
}
fits <- list(logit = binomial("logit"), log = poisson("log"), identity = binomial("identity"))
for (name in names(fits)) {
  fit <- geeglm(used ~ after, id = g, data = long, family = fits[[name]], corstr = "independence")
  say(paste0("gee_", name), "after", coef(fit)[2])
  say(paste0("gee_", name), "after_robust", sqrt(diag(vcov(fit)))[2])
  say(paste0("gee_", name), "after_bias_reduced", mancl_derouen(fit, long, 0)[2])
}
fit <- geeglm(used ~ after * treated, id = g, data = long, family = binomial, corstr = "exchangeable")
say("gee_exchangeable", c("after", "treated", "after:treated"), coef(fit)[-1])
say("gee_exchangeable", paste0(c("after", "treated", "after:treated"), "_robust"),
    sqrt(diag(vcov(fit)))[-1])
grid <- data.frame(before, after)
write.csv(grid, "../prepost_grid.csv", row.names = FALSE)
write.csv(answers, "../prepost_fresh.csv", row.names = FALSE, quote = FALSE)
writeLines(capture.output(sessionInfo()), "prepost_sessionInfo.txt")
