# Answers for test_comparison_reference.py. Run from this folder: Rscript comparison.R
# Writes ../comparison_people.csv, ../comparison_pairs.csv (synthetic: nobody is described)
# and ../comparison.json. Base R, sandwich, geepack, AER; jsonlite writes.
suppressMessages({library(sandwich); library(geepack); library(AER); library(jsonlite)})
set.seed(20240229)

# Synthetic people -------------------------------------------------------------------------
n <- 240
people <- data.frame(id = 1:n, area = rep(1:30, each = 8))
people$age <- round(rnorm(n, 35, 9))
people$prior <- rpois(n, 1.5)
people$site <- sample(c("south", "north", "west"), n, TRUE, c(.5, .3, .2))
u <- rnorm(30, 0, .5)[people$area]
people$treated <- as.integer(runif(n) < plogis(-.2 + .25 * people$prior + .02 * (people$age - 35)))
people$abuse <- as.integer(runif(n) < plogis(-.6 + .4 * people$prior - .03 * (people$age - 35) +
  .4 * (people$site == "north") - .8 * people$treated + u))
people$delivered <- as.integer(runif(n) < ifelse(people$treated == 1, .75, .15))
people$score <- round(20 + 4 * people$abuse - 2 * people$delivered + rnorm(n, 0, 4), 1)
write.csv(people, "../comparison_people.csv", row.names = FALSE)

m <- 90
pairs <- data.frame(id = 1:m, area = rep(1:30, each = 3), treated = rep(c(1, 0), length.out = m))
v <- rnorm(m)
pairs$before <- as.integer(runif(m) < plogis(.6 + v))
pairs$after <- as.integer(runif(m) < plogis(.2 + v - 1.2 * pairs$treated))
write.csv(pairs, "../comparison_pairs.csv", row.names = FALSE)

# Standardised risks -----------------------------------------------------------------------
people$site <- relevel(factor(people$site), ref = "south")
standardise <- function(formula, cluster = NULL) {
  fit <- glm(formula, binomial, people, control = list(epsilon = 1e-14, maxit = 100))
  b <- coef(fit); k <- length(b)
  part <- function(a) {
    there <- people; there$treated <- a
    x <- model.matrix(delete.response(terms(fit)), there, xlev = fit$xlevels)
    p <- plogis(drop(x %*% b))
    list(p = p, slope = colMeans(p * (1 - p) * x))
  }
  one <- part(1); zero <- part(0)
  p <- c(mean(one$p), mean(zero$p))
  # Stacked estimating equations: the sampling of covariates, and of outcomes given them.
  beta <- estfun(fit) %*% bread(fit) / n
  contribution <- cbind((one$p - p[1]) / n + beta %*% one$slope,
                        (zero$p - p[2]) / n + beta %*% zero$slope)
  if (is.null(cluster)) {
    V <- crossprod(contribution) * n / (n - k)
    fixed <- vcovHC(fit, "HC1")
  } else {
    g <- length(unique(cluster))
    V <- crossprod(rowsum(contribution, cluster)) * g / (g - 1) * (n - 1) / (n - k)
    fixed <- vcovCL(fit, cluster, type = "HC1")
  }
  se <- function(g) sqrt(drop(g %*% V %*% g))
  J <- rbind(one$slope, zero$slope)
  held <- function(g) sqrt(drop(g %*% J %*% fixed %*% t(J) %*% g))
  odds <- p * (1 - p)
  list(p1 = p[1], p0 = p[2],
       se_p1 = se(c(1, 0)), se_p0 = se(c(0, 1)),
       rd = p[1] - p[2], se_rd = se(c(1, -1)), se_rd_covariates_fixed = held(c(1, -1)),
       log_rr = log(p[1] / p[2]), se_log_rr = se(c(1 / p[1], -1 / p[2])),
       log_or = qlogis(p[1]) - qlogis(p[2]), se_log_or = se(c(1 / odds[1], -1 / odds[2])),
       coefficients = as.list(b), se_hc1 = as.list(sqrt(diag(fixed))))
}
g_computation <- list(
  interactions = standardise(abuse ~ treated * (age + prior + site)),
  shared = standardise(abuse ~ treated + age + prior + site),
  interactions_clustered = standardise(abuse ~ treated * (age + prior + site), people$area),
  clustered_only = standardise(abuse ~ treated, people$area))

# Score interval of the odds ratio, by inverting the test ------------------------------------
score_or <- function(x1, n1, x0, n0, z = qnorm(.975)) {
  statistic <- function(theta) {
    p0 <- uniroot(function(p) n1 * p * theta / (1 + p * (theta - 1)) + n0 * p - x1 - x0,
                  c(1e-12, 1 - 1e-12), tol = 1e-15)$root
    p1 <- p0 * theta / (1 + p0 * (theta - 1))
    (x1 - n1 * p1) * sqrt(1 / (n1 * p1 * (1 - p1)) + 1 / (n0 * p0 * (1 - p0)))
  }
  est <- log(x1 * (n0 - x0) / (x0 * (n1 - x1)))
  exp(c(uniroot(function(l) statistic(exp(l)) - z, c(est - 6, est), tol = 1e-13)$root,
        uniroot(function(l) statistic(exp(l)) + z, c(est, est + 6), tol = 1e-13)$root))
}
odds <- list(list(counts = c(56, 70, 48, 80), ci = score_or(56, 70, 48, 80)),
             list(counts = c(7, 34, 1, 34), ci = score_or(7, 34, 1, 34)),
             list(counts = c(9, 92, 47, 222), ci = score_or(9, 92, 47, 222)))

# Two-stage least squares --------------------------------------------------------------------
two_stage <- function(outcome) {
  y <- people[[outcome]]; d <- people$delivered; z <- people$treated
  fit <- ivreg(y ~ d | z)
  xhat <- cbind(1, fitted(lm(d ~ z))); e <- y - cbind(1, d) %*% coef(fit)
  A <- solve(crossprod(xhat)); h <- rowSums((xhat %*% A) * xhat)
  by_hand <- function(w) sqrt((A %*% crossprod(xhat * drop(e) * w) %*% A)[2, 2])
  ols <- lm(y ~ z); stage <- lm(d ~ z); treated <- lm(y ~ d)
  four <- function(m) c(list(est = coef(m)[[2]], classical = sqrt(vcov(m)[2, 2])),
    lapply(setNames(nm = c("HC0", "HC1", "HC2", "HC3")), function(t) sqrt(vcovHC(m, t)[2, 2])),
    list(CR1 = sqrt(vcovCL(m, people$area, type = "HC1")[2, 2])))
  list(itt = four(ols), first_stage = four(stage), as_treated = four(treated),
       iv = list(est = coef(fit)[[2]], classical = sqrt(vcov(fit)[2, 2]),
                 HC0 = sqrt(sandwich(fit)[2, 2]), HC1 = sqrt(sandwich(fit, adjust = TRUE)[2, 2]),
                 HC2 = by_hand(1 / sqrt(1 - h)), HC3 = by_hand(1 / (1 - h)),
                 CR1 = sqrt(vcovCL(fit, people$area, type = "HC1")[2, 2])))
}
iv <- list(abuse = two_stage("abuse"), score = two_stage("score"))

# Difference in differences ------------------------------------------------------------------
long <- data.frame(id = rep(pairs$id, each = 2), area = rep(pairs$area, each = 2),
                   treated = rep(pairs$treated, each = 2), post = rep(0:1, m))
long$y <- as.vector(t(pairs[, c("before", "after")]))
did <- function(family, id) {
  rows <- long[order(long[[id]]), ]; rows$who <- rows[[id]]
  fit <- geeglm(y ~ post * treated, family = family, data = rows, id = who,
                corstr = "independence", control = geese.control(epsilon = 1e-12, maxit = 200))
  list(est = coef(fit)[[4]], se = sqrt(vcov(fit)[4, 4]))
}
families <- list(log = poisson("log"), identity = gaussian("identity"), logit = binomial("logit"))
did_answers <- lapply(families, function(f) list(person = did(f, "id"), area = did(f, "area")))

versions <- sapply(c("sandwich", "geepack", "AER"), function(p) as.character(packageVersion(p)))
answers <- list(meta = list(R = R.version.string, packages = as.list(versions)),
                g_computation = g_computation, score_odds_ratio = odds, iv = iv,
                did = did_answers)
write(toJSON(answers, digits = NA, auto_unbox = TRUE, pretty = TRUE), "../comparison.json")
