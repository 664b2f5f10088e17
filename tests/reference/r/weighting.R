# Answers for test_weighting_reference.py. Run from this folder: Rscript weighting.R
# Writes ../weighting_people.csv (synthetic: nobody is described) and ../weighting.json.
# Base R; numDeriv differentiates, jsonlite writes. Every standard error is that of stacked
# estimating equations (Stefanski and Boos 2002) in which scores, entropy balance weights and
# the means that these aim at are parameters of their own; all derivatives are numerical.
suppressMessages({library(numDeriv); library(jsonlite)})
set.seed(20261122)

n <- 360
people <- data.frame(id = 1:n)
people$age <- round(rnorm(n, 35, 9))
people$prior <- rpois(n, 1.5)
people$site <- sample(c("south", "north", "west"), n, TRUE, c(.5, .3, .2))
people$treated <- as.integer(runif(n) < plogis(-1 + .3 * people$prior - .03 * (people$age - 35) +
  .5 * (people$site == "north")))
people$abuse <- as.integer(runif(n) < plogis(-.6 + .3 * people$prior - .03 * (people$age - 35) -
  .6 * people$treated))
people$score <- round(20 + 2 * people$prior - 3 * people$treated + rnorm(n, 0, 4), 1)
write.csv(people, "../weighting_people.csv", row.names = FALSE)

t <- people$treated
x <- model.matrix(~ age + prior + relevel(factor(site), "south"), people)
p <- ncol(x)

sandwich <- function(equations, theta) {
  rows <- equations(theta)
  stopifnot(max(abs(colSums(rows))) < 1e-6 * n)
  a <- jacobian(function(th) colSums(equations(th)), theta, method.args = list(r = 6))
  bread <- solve(a)
  bread %*% crossprod(rows) %*% t(bread)
}

contrast <- function(equations, theta, y, weights) {
  m <- c(weighted.mean(y[t == 1], weights[t == 1]), weighted.mean(y[t == 0], weights[t == 0]))
  v <- sandwich(equations, c(theta, m))
  k <- length(theta) + 1:2
  list(m1 = m[1], m0 = m[2], se_m1 = sqrt(v[k[1], k[1]]), se_m0 = sqrt(v[k[2], k[2]]),
    se_diff = sqrt(sum(v[k, k] * matrix(c(1, -1, -1, 1), 2))))
}

described <- function(weights) list(head = weights[1:8], max = max(weights),
  ess1 = sum(weights[t == 1])^2 / sum(weights[t == 1]^2),
  ess0 = sum(weights[t == 0])^2 / sum(weights[t == 0]^2))

# Weights from a score -----------------------------------------------------------------------
fit <- glm(t ~ x - 1, family = binomial, control = list(epsilon = 1e-14, maxit = 50))
kinds <- list(
  att = function(e) ifelse(t == 1, 1, e / (1 - e)),
  atc = function(e) ifelse(t == 1, (1 - e) / e, 1),
  ate = function(e) ifelse(t == 1, 1 / e, 1 / (1 - e)),
  ato = function(e) ifelse(t == 1, 1 - e, e))
# Limits, and who is at them, are taken for given: a kink has no derivative.
limits <- quantile(kinds$ate(fitted(fit)), c(.05, .95))
capped <- pmin(pmax(kinds$ate(fitted(fit)), limits[1]), limits[2])
beyond <- capped != kinds$ate(fitted(fit))
kinds$ate_truncated <- function(e) ifelse(beyond, capped, kinds$ate(e))

by_score <- function(weigh, y) {
  equations <- function(theta) {
    e <- plogis(drop(x %*% theta[1:p]))
    w <- weigh(e)
    cbind((t - e) * x, t * w * (y - theta[p + 1]), (1 - t) * w * (y - theta[p + 2]))
  }
  contrast(equations, unname(coef(fit)), y, weigh(fitted(fit)))
}
scored <- lapply(kinds, function(weigh) c(described(weigh(unname(fitted(fit)))), list(
  abuse = by_score(weigh, people$abuse), score = by_score(weigh, people$score))))

# Entropy balance ----------------------------------------------------------------------------
# Parameters: the goals, one set of multipliers for each arm that is weighted, the two means.
tilted <- function(z, arm, goal) {   # log Σ exp(λ'(z - goal)) by BFGS, then Newton steps
  d <- sweep(z[arm, , drop = FALSE], 2, goal)
  lambda <- optim(rep(0, ncol(z)), function(l) log(sum(exp(d %*% l))),
    function(l) {w <- exp(d %*% l); colSums(d * drop(w)) / sum(w)}, method = "BFGS",
    control = list(maxit = 500))$par
  for (i in 1:25) {
    w <- drop(exp(d %*% lambda)); w <- w / sum(w)
    g <- colSums(w * d)
    lambda <- lambda - solve(crossprod(d * sqrt(w)) - tcrossprod(g), g)
  }
  stopifnot(max(abs(g)) < 1e-10)
  lambda
}

balanced <- function(z, estimand) {
  z <- scale(z)
  k <- ncol(z)
  target <- switch(estimand, att = t == 1, atc = t == 0, ate = rep(TRUE, n))
  arms <- switch(estimand, att = list(t == 0), atc = list(t == 1), ate = list(t == 1, t == 0))
  goal <- colMeans(z[target, , drop = FALSE])
  lambdas <- lapply(arms, function(arm) tilted(z, arm, goal))
  weigh <- function(theta) {
    w <- as.numeric(target)
    for (i in seq_along(arms)) {
      d <- sweep(z, 2, theta[1:k])
      w[arms[[i]]] <- drop(exp(d %*% theta[k * i + 1:k]))[arms[[i]]]
    }
    w
  }
  theta <- c(goal, unlist(lambdas))
  run <- function(y) {
    equations <- function(th) {
      w <- weigh(th)
      d <- sweep(z, 2, th[1:k])
      last <- length(th)
      cbind(target * d, do.call(cbind, lapply(arms, function(arm) arm * w * d)),
        t * w * (y - th[last - 1]), (1 - t) * w * (y - th[last]))
    }
    contrast(equations, theta, y, weigh(theta))
  }
  w <- weigh(theta)
  for (arm in arms) w[arm] <- w[arm] * sum(target) / sum(w[arm])
  c(described(w), list(abuse = run(people$abuse), score = run(people$score)))
}
means <- x[, -1]
squares <- cbind(means, scale(people$age)^2, scale(people$prior)^2)
entropy <- list(att = balanced(means, "att"), atc = balanced(means, "atc"),
  ate = balanced(means, "ate"), att_2 = balanced(squares, "att"))

# Balance, by hand ---------------------------------------------------------------------------
w <- kinds$att(unname(fitted(fit)))
by_hand <- function(v) {
  spread <- function(arm, w) cov.wt(matrix(v[arm]), w[arm] / sum(w[arm]))$cov[1]
  cumulative <- function(arm, at) sapply(at, function(a) sum(w[arm & v <= a]) / sum(w[arm]))
  gap <- abs(cumulative(t == 1, sort(unique(v))) - cumulative(t == 0, sort(unique(v))))
  m <- sapply(1:0, function(a) weighted.mean(v[t == a], w[t == a]))
  list(mean1 = m[1], mean0 = m[2], sd1 = sqrt(spread(t == 1, w)), sd0 = sqrt(spread(t == 0, w)),
    smd = (m[1] - m[2]) / sd(v[t == 1]), ratio = spread(t == 1, w) / spread(t == 0, w),
    ecdf_mean = mean(gap), ecdf_max = max(gap))
}
balance <- list(age = by_hand(people$age), prior = by_hand(people$prior))

write_json(list(R = R.version.string, numDeriv = as.character(packageVersion("numDeriv")),
  score = scored, entropy = entropy, balance = balance),
  "../weighting.json", auto_unbox = TRUE, digits = 15, pretty = TRUE)
