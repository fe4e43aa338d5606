// A few threads that work together on the rows of a sheet.

#ifndef TISSUE_TEAM_HPP
#define TISSUE_TEAM_HPP

#include <condition_variable>
#include <functional>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

namespace tissue {

class Team {
public:
    // The caller and n_threads - 1 more.
    explicit Team(int n_threads) {
        for (int i = 1; i < n_threads; ++i) threads_.emplace_back([this, i] { serve(i); });
    }

    ~Team() {
        {
            std::lock_guard guard(lock_);
            ended_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    int n_threads() const { return static_cast<int>(threads_.size()) + 1; }

    // Calls work(thread) on every thread and waits for all; work must not throw.
    void run(const std::function<void(int)>& work) {
        if (threads_.empty()) return work(0);
        {
            std::lock_guard guard(lock_);
            work_ = &work;
            running_ = static_cast<int>(threads_.size());
            ++call_;
        }
        wake_.notify_all();
        work(0);
        std::unique_lock guard(lock_);
        done_.wait(guard, [this] { return running_ == 0; });
    }

    // Calls work(thread, first, last) with each thread's share of 0 ... n.
    template <class Work>
    void share(int n, const Work& work) {
        run([&](int thread) { work(thread, begin_of(thread, n), begin_of(thread + 1, n)); });
    }

    // As share(), and adds up what work returns, in the order of the threads.
    template <class Work>
    double sum(int n, const Work& work) {
        std::vector<double> parts(n_threads());
        share(n, [&](int thread, int first, int last) { parts[thread] = work(first, last); });
        return std::accumulate(parts.begin(), parts.end(), 0.0);
    }

private:
    int begin_of(int thread, int n) const {
        return static_cast<int>(static_cast<long long>(n) * thread / n_threads());
    }

    void serve(int thread) {
        long last_call = 0;
        for (;;) {
            std::unique_lock guard(lock_);
            wake_.wait(guard, [&] { return ended_ || call_ != last_call; });
            if (ended_) return;
            last_call = call_;
            const auto* work = work_;
            guard.unlock();
            (*work)(thread);
            guard.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }

    std::mutex lock_;
    std::condition_variable wake_, done_;
    const std::function<void(int)>* work_ = nullptr;
    long call_ = 0;
    int running_ = 0;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace tissue

#endif
